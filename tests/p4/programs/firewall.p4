// A firewall that lets connections in that began inside: it remembers them in a Bloom filter of two registers.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

#define FILTER_CELLS 4096

struct headers {
    ethernet_t ethernet;
    ipv4_t     ipv4;
    tcp_t      tcp;
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
    register<bit<1>>(FILTER_CELLS) first_filter;
    register<bit<1>>(FILTER_CELLS) second_filter;
    bit<32> first_cell;
    bit<32> second_cell;
    bit<1> first_bit;
    bit<1> second_bit;
    bit<1> direction;

    action drop() {
        mark_to_drop(standard_metadata);
    }

    action find_cells(ipv4_address_t inside, ipv4_address_t outside, bit<16> inside_port, bit<16> outside_port) {
        hash(first_cell, HashAlgorithm.crc16, (bit<32>) 0,
             { inside, outside, inside_port, outside_port, hdr.ipv4.protocol }, (bit<32>) FILTER_CELLS);
        hash(second_cell, HashAlgorithm.crc32, (bit<32>) 0,
             { inside, outside, inside_port, outside_port, hdr.ipv4.protocol }, (bit<32>) FILTER_CELLS);
    }

    action ipv4_forward(mac_t dst, port_t port) {
        standard_metadata.egress_spec = port;
        hdr.ethernet.src = hdr.ethernet.dst;
        hdr.ethernet.dst = dst;
        hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
    }

    table ipv4_lpm {
        key = { hdr.ipv4.dst: lpm; }
        actions = { ipv4_forward; drop; NoAction; }
        size = 1024;
        default_action = drop();
    }

    action set_direction(bit<1> outwards) {
        direction = outwards;
    }

    table ports {
        key = {
            standard_metadata.ingress_port: exact;
            standard_metadata.egress_spec: exact;
        }
        actions = { set_direction; NoAction; }
        size = 1024;
        default_action = NoAction();
    }

    apply {
        if (hdr.ipv4.isValid()) {
            ipv4_lpm.apply();
            if (hdr.tcp.isValid()) {
                direction = 0;
                if (ports.apply().hit) {
                    if (direction == 1) {
                        find_cells(hdr.ipv4.src, hdr.ipv4.dst, hdr.tcp.sport, hdr.tcp.dport);
                        if (hdr.tcp.syn == 1) {
                            first_filter.write(first_cell, 1);
                            second_filter.write(second_cell, 1);
                        }
                    } else {
                        find_cells(hdr.ipv4.dst, hdr.ipv4.src, hdr.tcp.dport, hdr.tcp.sport);
                        first_filter.read(first_bit, first_cell);
                        second_filter.read(second_bit, second_cell);
                        if (first_bit != 1 || second_bit != 1) {
                            drop();
                        }
                    }
                }
            }
        }
    }
}

NO_EGRESS(headers, metadata)

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

V1Switch(MyParser(), NoVerify(), MyIngress(), NoEgress(), MyCompute(), MyDeparser()) main;
