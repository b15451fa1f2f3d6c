// Probes go round a given way and collect on a stack how many bytes each port has sent since the last probe.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

#define MAXIMUM_HOPS 10
#define MAXIMUM_PORTS 8
const bit<16> ETHERTYPE_PROBE = 0x0812;

header probe_t {
    bit<8> hops;
}

header probe_data_t {
    bit<1>  last;
    bit<7>  switch_id;
    bit<8>  port;
    bit<32> bytes;
}

header probe_forward_t {
    bit<8> port;
}

struct headers {
    ethernet_t                     ethernet;
    ipv4_t                         ipv4;
    probe_t                        probe;
    probe_data_t[MAXIMUM_HOPS]     data;
    probe_forward_t[MAXIMUM_HOPS]  forward;
}

struct metadata {
    bit<8> egress_spec;
    bit<8> remaining;
}

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            ETHERTYPE_IPV4: parse_ipv4;
            ETHERTYPE_PROBE: parse_probe;
            default: accept;
        }
    }

    state parse_ipv4 {
        packet.extract(hdr.ipv4);
        transition accept;
    }

    state parse_probe {
        packet.extract(hdr.probe);
        meta.remaining = hdr.probe.hops + 1;
        transition select(hdr.probe.hops) {
            0: parse_forward;
            default: parse_data;
        }
    }

    state parse_data {
        packet.extract(hdr.data.next);
        transition select(hdr.data.last.last) {
            1: parse_forward;
            default: parse_data;
        }
    }

    state parse_forward {
        packet.extract(hdr.forward.next);
        meta.remaining = meta.remaining - 1;
        meta.egress_spec = hdr.forward.last.port;
        transition select(meta.remaining) {
            0: accept;
            default: parse_forward;
        }
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    action drop() {
        mark_to_drop(standard_metadata);
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

    apply {
        if (standard_metadata.parser_error != error.NoError) {
            drop();
        } else if (hdr.ipv4.isValid()) {
            ipv4_lpm.apply();
        } else if (hdr.probe.isValid()) {
            standard_metadata.egress_spec = (port_t) meta.egress_spec;
            hdr.probe.hops = hdr.probe.hops + 1;
        } else {
            drop();
        }
    }
}

control MyEgress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    register<bit<32>>(MAXIMUM_PORTS) sent;

    action set_switch_id(bit<7> switch_id) {
        hdr.data[0].switch_id = switch_id;
    }

    table identity {
        actions = { set_switch_id; NoAction; }
        default_action = NoAction();
    }

    apply {
        bit<32> bytes;
        bit<32> counted;
        sent.read(bytes, (bit<32>) standard_metadata.egress_port);
        bytes = bytes + standard_metadata.packet_length;
        counted = hdr.probe.isValid() ? 0 : bytes;
        sent.write((bit<32>) standard_metadata.egress_port, counted);
        if (hdr.probe.isValid()) {
            hdr.data.push_front(1);
            hdr.data[0].setValid();
            hdr.data[0].last = (hdr.probe.hops == 1) ? 1w1 : 1w0;
            identity.apply();
            hdr.data[0].port = (bit<8>) standard_metadata.egress_port;
            hdr.data[0].bytes = bytes;
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
        packet.emit(hdr.probe);
        packet.emit(hdr.data);
        packet.emit(hdr.forward);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), MyEgress(), MyCompute(), MyDeparser()) main;
