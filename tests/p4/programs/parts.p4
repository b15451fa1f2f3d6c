// Programs made of parts: parsers and controls with constructor parameters, applied several times; functions; generics.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

header tag_t {
    bit<3>  priority;
    bit<1>  eligible;
    bit<12> number;
    bit<16> type;
}

struct tags_t {
    tag_t outer;
    tag_t inner;
}

struct headers {
    ethernet_t ethernet;
    tags_t     tags;
    ipv4_t     ipv4;
}

struct metadata {
    bit<16> type;
    bit<8>  steps;
}

error { WrongTag }

parser TagParser(packet_in packet, inout bit<16> type, out tag_t tag, inout bit<8> steps)(bit<16> expected) {
    state start {
        steps = steps + 1;
        transition select(type) {
            expected: parse;
            default: accept;
        }
    }

    state parse {
        packet.extract(tag);
        verify(tag.number != 4095, error.WrongTag);
        type = tag.type;
        transition accept;
    }
}

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    TagParser(0x88a8) outer;
    TagParser(0x8100) inner;

    state start {
        packet.extract(hdr.ethernet);
        meta.type = hdr.ethernet.type;
        outer.apply(packet, meta.type, hdr.tags.outer, meta.steps);
        inner.apply(packet, meta.type, hdr.tags.inner, meta.steps);
        transition select(meta.type) {
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

bit<16> larger(in bit<16> left, in bit<16> right) {
    if (left > right) {
        return left;
    }
    return right;
}

control Translate(inout tag_t tag, out bool changed)(bit<12> offset) {
    action translate(bit<12> number) {
        tag.number = number;
        changed = true;
    }

    table numbers {
        key = { tag.number: exact @name("number"); }
        actions = { translate; @defaultonly NoAction; }
        const default_action = NoAction();
        size = 32;
    }

    apply {
        changed = false;
        if (!tag.isValid()) {
            return;
        }
        numbers.apply();
        tag.number = tag.number + offset;
    }
}

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    Translate(100) outer;
    Translate(0) inner;
    bool outer_changed;
    bool inner_changed;

    action swap(inout bit<48> left, inout bit<48> right, in bool really) {
        bit<48> kept = left;
        if (really) {
            left = right;
            right = kept;
        }
    }

    apply {
        if (standard_metadata.parser_error != error.NoError) {
            // Which one it was is in the packet: errors compare.
            if (standard_metadata.parser_error == error.WrongTag) {
                standard_metadata.egress_spec = 7;
                exit;
            }
            mark_to_drop(standard_metadata);
            exit;
        }
        outer.apply(hdr.tags.outer, outer_changed);
        inner.apply(hdr.tags.inner, inner_changed);
        swap(hdr.ethernet.src, hdr.ethernet.dst, outer_changed && inner_changed);
        standard_metadata.egress_spec = (port_t) larger(2, (bit<16>) meta.steps);
        if (hdr.ipv4.isValid()) {
            hdr.ipv4.identification = larger(hdr.ipv4.identification, hdr.ipv4.length);
        }
    }
}

NO_EGRESS(headers, metadata)
NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.tags);
        packet.emit(hdr.ipv4);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), NoEgress(), NoCompute(), MyDeparser()) main;
