// A tunnel behind an EtherType of its own: one end adds its header, the middle forwards on it, the other end removes it.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

const bit<16> ETHERTYPE_TUNNEL = 0x1212;

header tunnel_t {
    bit<16> protocol;
    bit<16> id;
}

struct headers {
    ethernet_t ethernet;
    tunnel_t   tunnel;
    ipv4_t     ipv4;
}

struct metadata { }

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            ETHERTYPE_TUNNEL: parse_tunnel;
            ETHERTYPE_IPV4: parse_ipv4;
            default: accept;
        }
    }

    state parse_tunnel {
        packet.extract(hdr.tunnel);
        transition select(hdr.tunnel.protocol) {
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
    counter(16, CounterType.packets_and_bytes) entered;

    action drop() {
        mark_to_drop(standard_metadata);
    }

    action forward(port_t port) {
        standard_metadata.egress_spec = port;
    }

    action enter(bit<16> id) {
        hdr.tunnel.setValid();
        hdr.tunnel.protocol = hdr.ethernet.type;
        hdr.tunnel.id = id;
        hdr.ethernet.type = ETHERTYPE_TUNNEL;
        entered.count((bit<32>) id);
    }

    action leave(mac_t dst, port_t port) {
        hdr.ethernet.type = hdr.tunnel.protocol;
        hdr.ethernet.dst = dst;
        hdr.tunnel.setInvalid();
        standard_metadata.egress_spec = port;
    }

    table ends {
        key = { hdr.ipv4.dst: lpm; }
        actions = { enter; forward; drop; }
        default_action = drop();
        size = 64;
    }

    table tunnels {
        key = { hdr.tunnel.id: exact; }
        actions = { forward; leave; drop; }
        const default_action = drop();
        size = 64;
    }

    apply {
        if (hdr.ipv4.isValid() && !hdr.tunnel.isValid()) {
            ends.apply();
        }
        if (hdr.tunnel.isValid()) {
            tunnels.apply();
        } else if (!hdr.ipv4.isValid()) {
            drop();
        }
    }
}

NO_EGRESS(headers, metadata)
NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), NoEgress(), NoCompute(), MyDeparser()) main;
