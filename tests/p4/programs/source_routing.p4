// The sender lists the ports on the way; each switch takes the first one off.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

#define MAXIMUM_HOPS 9
const bit<16> ETHERTYPE_ROUTED = 0x1234;

header hop_t {
    bit<1>  last;
    bit<15> port;
}

struct headers {
    ethernet_t          ethernet;
    hop_t[MAXIMUM_HOPS] hops;
    ipv4_t              ipv4;
}

struct metadata { }

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            ETHERTYPE_ROUTED: parse_hop;
            default: accept;
        }
    }

    state parse_hop {
        packet.extract(hdr.hops.next);
        transition select(hdr.hops.last.last) {
            1: parse_ipv4;
            default: parse_hop;
        }
    }

    state parse_ipv4 {
        packet.extract(hdr.ipv4);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    action drop() {
        mark_to_drop(standard_metadata);
    }

    action take_hop() {
        standard_metadata.egress_spec = (port_t) hdr.hops[0].port;
        hdr.hops.pop_front(1);
    }

    apply {
        if (standard_metadata.parser_error == error.NoError && hdr.hops[0].isValid()) {
            if (hdr.hops[0].last == 1) {
                hdr.ethernet.type = ETHERTYPE_IPV4;
            }
            take_hop();
            if (hdr.ipv4.isValid()) {
                hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
            }
        } else {
            drop();
        }
    }
}

NO_EGRESS(headers, metadata)
NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.hops);
        packet.emit(hdr.ipv4);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), NoEgress(), NoCompute(), MyDeparser()) main;
