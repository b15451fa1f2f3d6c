// Calls and what they may change: parameters are copied in and out, operands are read from left to right.

#include <core.p4>
#include <v1model.p4>
#include "common/empty.p4"

header data_t {
    bit<8>  op;
    bit<8>  a;
    bit<8>  b;
    bit<8>  c;
    bit<16> w;
    int<8>  s;
}

header item_t {
    bit<8> value;
}

struct headers {
    data_t    data;
    item_t[3] items;
}

struct metadata { }

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.data);
        transition item;
    }

    state item {
        packet.extract(hdr.items.next);
        transition select(hdr.items.lastIndex) {
            2: accept;
            default: item;
        }
    }
}

NO_VERIFY(headers, metadata)

void both(inout bit<8> first, out bit<8> second) {
    first = first + 1;
    second = first + 10;
}

bit<8> bump(inout bit<8> value) {
    value = value + 1;
    return value;
}

bit<2> bounded(in bit<8> index) {
    return index > 2 ? 2 : (bit<2>) index;
}

// What comes in stays as it was, whatever happens to the headers that it was taken from.
void overwrite(inout headers hdr, in data_t before) {
    hdr.data.a = 0;
    hdr.data.b = before.a;
}

bool longer(in item_t[3] items, out item_t fresh) {
    if (fresh.isValid()) {
        return false;
    }
    fresh = items[1];
    return true;
}

action early(inout bit<8> value, bit<8> limit) {
    if (value > limit) {
        value = limit;
        return;
    }
    value = value * 2;
}

control Bump(inout bit<8> value, in bit<8> step) {
    bit<8> twice = step + step;

    apply {
        value = value + twice;
        if (value > 200) {
            value = 200;
            return;
        }
        value = value + 1;
    }
}

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    Bump() step;

    action leave(inout bit<8> value) {
        value = 0xee;
        exit;
    }

    action stay_or_leave(bit<8> limit) {
        if (hdr.data.a > limit) {
            leave(hdr.data.b);
        }
        hdr.data.c = limit;
    }

    action bound(inout bit<8> value, in bit<8> add, bit<8> factor) {
        value = value * factor + add;
        if (factor == 9) {
            exit;
        }
        value = value + 1;
    }

    table scale {
        key = { hdr.data.op: exact; }
        actions = { bound(hdr.data.a, hdr.data.c); NoAction; }
        const entries = {
            20: bound(3);
            21: bound(9);
        }
    }

    apply {
        standard_metadata.egress_spec = 1;
        switch (hdr.data.op) {
            1: { both(hdr.data.a, hdr.data.a); }
            2: { hdr.data.c = hdr.data.a + bump(hdr.data.a) * 2; }
            3: { leave(hdr.data.b); }
            4: { hdr.items[bounded(hdr.data.a)].value = bump(hdr.items[bounded(hdr.data.b)].value); }
            5: { if (hdr.data.a == 0 && bump(hdr.data.b) == 5 || bump(hdr.data.c) == 7) { hdr.data.w = 0xffff; } }
            6: { hdr.data = { hdr.data.op, hdr.data.b, hdr.data.a, hdr.data.c, hdr.data.w, hdr.data.s }; }
            7: { step.apply(hdr.data.a, 3); step.apply(hdr.data.b, hdr.data.a); }
            8: { hdr.data.w[11:4][5:2] = hdr.data.a[3:0]; hdr.data.w[0:0] = 1; }
            9: { overwrite(hdr, hdr.data); }
            10: { hdr.data.c = longer(hdr.items, hdr.items[2]) ? 8w1 : 2; }
            11: { stay_or_leave(10); hdr.data.w = 1; }
            12: { early(hdr.data.a, 20); early(hdr.data.b, 20); }
            13: { hdr.data.s = (hdr.data.s >> 1) - (hdr.data.s |-| 100); if (hdr.data.s < 0) { hdr.data.c = 1; } }
            14: { hdr.data.w = (bit<16>) (int<16>) hdr.data.s; }
            15: { Bump.apply(hdr.data.c, 1); bump(hdr.data.c); }
            16:
            17: { hdr.items[hdr.data.a[1:0]] = hdr.items[hdr.data.b[1:0]]; hdr.items[1].setInvalid(); }
            18: { hdr.items.push_front(1); hdr.items[0] = { hdr.data.a }; hdr.items.pop_front(2); }
            20:
            21: { scale.apply(); hdr.data.b = 0x77; }
            default: { hdr.data.op = 0xff; }
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
