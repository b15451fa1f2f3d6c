// Explicit congestion notification: packets of flows that know it are marked where the queue is long.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

struct headers {
    ethernet_t ethernet;
    ipv4_t     ipv4;
}

struct metadata { }

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            ETHERTYPE_IPV4: parse_ipv4;
            default: accept;
        }
    }

    state parse_ipv4 {
        packet.extract(hdr.ipv4);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    action forward(port_t port) {
        standard_metadata.egress_spec = port;
    }

    action drop() {
        mark_to_drop(standard_metadata);
    }

    table ports {
        key = { standard_metadata.ingress_port: exact; }
        actions = { forward; drop; }
        const default_action = drop();
        const entries = {
            1: forward(2);
            2: forward(1);
        }
    }

    apply {
        ports.apply();
    }
}

control MyEgress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    action mark() {
        hdr.ipv4.ecn = 3;
    }

    action set_threshold(inout bit<19> threshold, bit<19> value) {
        threshold = value;
    }

    bit<19> longest = 10;

    // The threshold by class; without an entry it is 10.
    table thresholds {
        key = { hdr.ipv4.dscp: ternary; }
        actions = { set_threshold(longest); NoAction; }
        default_action = NoAction();
        size = 8;
    }

    apply {
        if (hdr.ipv4.isValid() && (hdr.ipv4.ecn == 1 || hdr.ipv4.ecn == 2)) {
            thresholds.apply();
            if (standard_metadata.enq_qdepth >= longest) {
                mark();
            }
        }
    }
}

control MyCompute(inout headers hdr, inout metadata meta) {
    apply {
        update_checksum(hdr.ipv4.isValid(), IPV4_SUMMED(hdr.ipv4), hdr.ipv4.checksum, HashAlgorithm.csum16);
    }
}

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.ipv4);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), MyEgress(), MyCompute(), MyDeparser()) main;
