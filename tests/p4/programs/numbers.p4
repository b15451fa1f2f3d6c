// Arithmetic at run time: widths to 128 bits, signs, saturation, shifts beyond the width, casts, parts.

#include <core.p4>
#include <v1model.p4>
#include "common/empty.p4"

header numbers_t {
    bit<8>   op;
    bit<16>  a;
    bit<16>  b;
    bit<128> wide;
    int<24>  s;
    bit<3>   x;
    bit<5>   y;
}

struct headers {
    numbers_t n;
}

struct metadata { }

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.n);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        standard_metadata.egress_spec = 1;
        switch (hdr.n.op) {
            1: { hdr.n.a = hdr.n.a |+| hdr.n.b; }
            2: { hdr.n.a = hdr.n.a |-| hdr.n.b; }
            3: { hdr.n.s = hdr.n.s |+| hdr.n.s; }
            4: { hdr.n.s = -hdr.n.s; }
            5: { hdr.n.a = hdr.n.a << hdr.n.b; }
            6: { hdr.n.a = hdr.n.a >> hdr.n.b; }
            7: { hdr.n.s = hdr.n.s >> hdr.n.b; }
            8: { hdr.n.wide = hdr.n.wide * 3 + (bit<128>) hdr.n.a; }
            9: { hdr.n.wide = hdr.n.wide << 64 | hdr.n.wide >> 64; }
            10: { hdr.n.wide[99:84] = hdr.n.a; hdr.n.b = hdr.n.wide[71:56]; }
            11: { hdr.n.x = hdr.n.x - 1; hdr.n.y = hdr.n.y + (bit<5>) hdr.n.x; }
            12: { hdr.n.a = hdr.n.x ++ hdr.n.y ++ hdr.n.s[23:16]; }
            13: { hdr.n.s = (int<24>) (int<16>) hdr.n.a; }
            14: { hdr.n.a = (bit<16>) (hdr.n.wide > 0x1_0000_0000_0000_0000 ? 8w1 : 2); }
            15: { hdr.n.b = hdr.n.s < -1 ? 16w1 : hdr.n.s == -1 ? 16w2 : 3; }
            16: { hdr.n.a = hdr.n.a / 7; hdr.n.b = hdr.n.b % 7; }
            17: { hdr.n.a = ~hdr.n.a & 0xff0 ^ hdr.n.b; }
            18: { hdr.n.wide = -hdr.n.wide; }
            19: { hdr.n.wide = hdr.n.wide |-| 1; hdr.n.a = (bit<16>) (bit<1>) (hdr.n.a == hdr.n.b); }
            20: { int<3> small = (int<3>) hdr.n.x; hdr.n.s = (int<24>) small * (int<24>) small; }
        }
    }
}

NO_EGRESS(headers, metadata)
NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.n);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), NoEgress(), NoCompute(), MyDeparser()) main;
