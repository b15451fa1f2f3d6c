// Layer 2: known addresses to their port, others to a group, but never back; copies are numbered.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

header tag_t {
    bit<16> copy;
    bit<16> instance;
}

struct headers {
    ethernet_t ethernet;
    tag_t      tag;
}

struct metadata {
    bit<8> kept;
}

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    action drop() {
        mark_to_drop(standard_metadata);
    }

    action forward(port_t port) {
        standard_metadata.egress_spec = port;
    }

    action flood(bit<16> group) {
        standard_metadata.mcast_grp = group;
    }

    table addresses {
        key = { hdr.ethernet.dst: exact; }
        actions = { forward; flood; drop; }
        default_action = flood(1);
        size = 1024;
    }

    apply {
        meta.kept = hdr.ethernet.src[7:0];
        addresses.apply();
    }
}

control MyEgress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        if (standard_metadata.egress_port == standard_metadata.ingress_port) {
            mark_to_drop(standard_metadata);
            exit;
        }
        hdr.tag.setValid();
        hdr.tag.copy = standard_metadata.egress_rid;
        hdr.tag.instance = (bit<8>) standard_metadata.instance_type ++ meta.kept;
    }
}

NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.tag);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), MyEgress(), NoCompute(), MyDeparser()) main;
