// Mirrors: from ingress the packet as it came, from egress the packet as it leaves; what the copy keeps is said.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

header mark_t {
    bit<8>  instance;
    bit<8>  kept;
    bit<16> forgotten;
}

struct headers {
    ethernet_t ethernet;
    mark_t     mark;
}

struct metadata {
    @field_list(1)
    bit<8>  kept;
    bit<16> forgotten;
    @field_list(1, 2)
    port_t  entered;
}

const bit<16> FROM_INGRESS = 0x0801;
const bit<16> FROM_EGRESS = 0x0802;
const bit<16> FROM_BOTH = 0x0803;
const bit<16> DROPPED = 0x0804;

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        standard_metadata.egress_spec = 2;
        meta.kept = 0xaa;
        meta.forgotten = 0xbbbb;
        meta.entered = standard_metadata.ingress_port;
        hdr.ethernet.src = 0x020000000001;
        if (hdr.ethernet.type == FROM_INGRESS || hdr.ethernet.type == FROM_BOTH) {
            clone_preserving_field_list(CloneType.I2E, 5, 1);
        } else if (hdr.ethernet.type == DROPPED) {
            clone(CloneType.I2E, 5);
            mark_to_drop(standard_metadata);
        }
    }
}

control MyEgress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        if (standard_metadata.instance_type == 0 &&
            (hdr.ethernet.type == FROM_EGRESS || hdr.ethernet.type == FROM_BOTH)) {
            hdr.ethernet.src = 0x020000000002;
            clone_preserving_field_list(CloneType.E2E, 6, 1);
        }
        if (standard_metadata.instance_type != 0) {
            hdr.mark.setValid();
            hdr.mark.instance = (bit<8>) standard_metadata.instance_type;
            hdr.mark.kept = meta.kept;
            hdr.mark.forgotten = meta.forgotten;
            hdr.ethernet.dst[8:0] = meta.entered;
        }
    }
}

NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.mark);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), MyEgress(), NoCompute(), MyDeparser()) main;
