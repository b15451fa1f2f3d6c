// In-band telemetry: each switch pushes its number and queue on a stack in an IPv4 option (multi-hop route inspection).

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

#define MAXIMUM_TRACES 9
const bit<5> OPTION_TRACE = 31;

error { OptionTooShort }

header option_t {
    bit<1> copy;
    bit<2> class;
    bit<5> kind;
    bit<8> length;
}

header count_t {
    bit<16> count;
}

header trace_t {
    bit<32> switch_id;
    bit<32> queue_depth;
}

struct headers {
    ethernet_t              ethernet;
    ipv4_t                  ipv4;
    option_t                option;
    count_t                 traced;
    trace_t[MAXIMUM_TRACES] traces;
}

struct parser_metadata_t {
    bit<16> remaining;
}

struct metadata {
    parser_metadata_t parsing;
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
        verify(hdr.ipv4.ihl >= 5, error.OptionTooShort);
        transition select(hdr.ipv4.ihl) {
            5: accept;
            default: parse_option;
        }
    }

    state parse_option {
        packet.extract(hdr.option);
        transition select(hdr.option.kind) {
            OPTION_TRACE: parse_count;
            default: accept;
        }
    }

    state parse_count {
        packet.extract(hdr.traced);
        meta.parsing.remaining = hdr.traced.count;
        transition select(meta.parsing.remaining) {
            0: accept;
            default: parse_trace;
        }
    }

    state parse_trace {
        packet.extract(hdr.traces.next);
        meta.parsing.remaining = meta.parsing.remaining - 1;
        transition select(meta.parsing.remaining) {
            0: accept;
            default: parse_trace;
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
        default_action = NoAction();
    }

    apply {
        if (standard_metadata.parser_error != error.NoError) {
            drop();
            return;
        }
        if (hdr.ipv4.isValid()) {
            ipv4_lpm.apply();
        }
    }
}

control MyEgress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    action add_trace(bit<32> switch_id) {
        hdr.traced.count = hdr.traced.count + 1;
        hdr.traces.push_front(1);
        hdr.traces[0].setValid();
        hdr.traces[0].switch_id = switch_id;
        hdr.traces[0].queue_depth = (bit<32>) standard_metadata.deq_qdepth;
        hdr.ipv4.ihl = hdr.ipv4.ihl + 2;
        hdr.option.length = hdr.option.length + 8;
        hdr.ipv4.length = hdr.ipv4.length + 8;
    }

    table tracing {
        actions = { add_trace; NoAction; }
        default_action = NoAction();
    }

    apply {
        if (hdr.traced.isValid()) {
            tracing.apply();
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
        packet.emit(hdr.option);
        packet.emit(hdr.traced);
        packet.emit(hdr.traces);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), MyEgress(), MyCompute(), MyDeparser()) main;
