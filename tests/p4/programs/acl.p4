// An access list: prefixes, masks, port ranges and optional fields; the entry with the largest priority decides.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

struct headers {
    ethernet_t ethernet;
    ipv4_t     ipv4;
    udp_t      udp;
}

struct metadata {
    bit<8> class;
}

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
        transition select(hdr.ipv4.offset, hdr.ipv4.protocol, hdr.ipv4.ihl) {
            (0, PROTOCOL_UDP, 5): parse_udp;
            default: accept;
        }
    }

    state parse_udp {
        packet.extract(hdr.udp);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    direct_counter(CounterType.packets_and_bytes) hits;

    action permit(port_t port) {
        standard_metadata.egress_spec = port;
    }

    action deny() {
        mark_to_drop(standard_metadata);
    }

    action classify(bit<8> class) {
        meta.class = class;
    }

    table acl {
        key = {
            hdr.ipv4.src: ternary;
            hdr.ipv4.dst: lpm;
            hdr.udp.dport: range;
            hdr.udp.isValid(): optional @name("udp");
            meta.class: exact;
        }
        actions = { permit; deny; }
        default_action = deny();
        counters = hits;
        size = 128;
    }

    // The source's own entries: the larger priority first, as they stand.
    table classes {
        key = {
            hdr.ipv4.dscp: range;
            standard_metadata.ingress_port: ternary;
        }
        actions = { classify; NoAction; }
        const entries = {
            (0 .. 7, 9w1): classify(1);
            (4 .. 15, _): classify(2);
            (_, 9w0x10 &&& 9w0x1f0): classify(3);
        }
        default_action = classify(9);
    }

    apply {
        if (!hdr.ipv4.isValid()) {
            deny();
        } else {
            if (!classes.apply().hit) {
                meta.class = meta.class + 1;
            }
            acl.apply();
        }
    }
}

NO_EGRESS(headers, metadata)
NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.ipv4);
        packet.emit(hdr.udp);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), NoEgress(), NoCompute(), MyDeparser()) main;
