// Packets that go through the switch again: as they came (resubmit), or as they are (recirculate), labels one a pass.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

const bit<16> RESUBMITTED = 0x0901;
const bit<16> RECIRCULATED = 0x0902;
const bit<16> WITHOUT_END = 0x0903;

header count_t {
    bit<8> passes;
    bit<8> first_port;
}

struct headers {
    ethernet_t ethernet;
    count_t    count;
}

struct metadata {
    @field_list(1)
    bit<8> passes;
    @field_list(1)
    bit<8> first_port;
    bit<8> lost;
}

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        packet.extract(hdr.count);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        standard_metadata.egress_spec = 2;
        if (hdr.ethernet.type == RESUBMITTED) {
            hdr.ethernet.src = hdr.ethernet.src + 1;
            if (meta.passes < hdr.count.passes) {
                meta.passes = meta.passes + 1;
                meta.lost = 1;
                if (standard_metadata.instance_type == 0) {
                    meta.first_port = (bit<8>) standard_metadata.ingress_port;
                }
                resubmit_preserving_field_list(1);
            } else {
                hdr.count.first_port = meta.first_port;
                hdr.count.passes = (bit<8>) standard_metadata.instance_type + meta.lost;
            }
        }
    }
}

control MyEgress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        if (hdr.ethernet.type == RECIRCULATED) {
            hdr.ethernet.src = hdr.ethernet.src + 1;
            hdr.count.first_port = hdr.count.first_port + (bit<8>) standard_metadata.instance_type;
            if (hdr.count.passes > 0) {
                hdr.count.passes = hdr.count.passes - 1;
                recirculate_preserving_field_list(0);
            }
        } else if (hdr.ethernet.type == WITHOUT_END) {
            recirculate_preserving_field_list(0);
        }
    }
}

NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.count);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), MyEgress(), NoCompute(), MyDeparser()) main;
