// Equal-cost paths: a hash of the flow takes one of a group's next hops.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

struct headers {
    ethernet_t ethernet;
    ipv4_t     ipv4;
    tcp_t      tcp;
}

struct metadata {
    bit<14> choice;
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
        transition select(hdr.ipv4.protocol) {
            PROTOCOL_TCP: parse_tcp;
            default: accept;
        }
    }

    state parse_tcp {
        packet.extract(hdr.tcp);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    action drop() {
        mark_to_drop(standard_metadata);
    }

    action choose(bit<16> first, bit<32> count) {
        hash(meta.choice, HashAlgorithm.crc16, first,
             { hdr.ipv4.src, hdr.ipv4.dst, hdr.ipv4.protocol, hdr.tcp.sport, hdr.tcp.dport }, count);
    }

    action next_hop(mac_t dst, ipv4_address_t address, port_t port) {
        hdr.ethernet.dst = dst;
        hdr.ipv4.dst = address;
        standard_metadata.egress_spec = port;
        hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
    }

    table groups {
        key = { hdr.ipv4.dst: lpm; }
        actions = { drop; choose; }
        default_action = drop();
        size = 1024;
    }

    table hops {
        key = { meta.choice: exact; }
        actions = { drop; next_hop; }
        default_action = drop();
        size = 16;
    }

    apply {
        if (hdr.ipv4.isValid() && hdr.ipv4.ttl > 0) {
            switch (groups.apply().action_run) {
                choose: { hops.apply(); }
            }
        } else {
            drop();
        }
    }
}

control MyEgress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    action rewrite_source(mac_t address) {
        hdr.ethernet.src = address;
    }

    action drop() {
        mark_to_drop(standard_metadata);
    }

    table sources {
        key = { standard_metadata.egress_port: exact; }
        actions = { rewrite_source; drop; NoAction; }
        default_action = drop();
        size = 256;
    }

    apply {
        sources.apply();
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
        packet.emit(hdr.tcp);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), MyEgress(), MyCompute(), MyDeparser()) main;
