// Ways through a program: hit, miss, action_run with fall-through, switches over numbers and enums, exit and return.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

enum Colour { RED, GREEN, BLUE }

header trail_t {
    bit<8> first;
    bit<8> second;
    bit<8> third;
    bit<8> fourth;
}

struct headers {
    ethernet_t ethernet;
    trail_t    trail;
}

struct metadata {
    Colour colour;
}

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        packet.extract(hdr.trail);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    action one(bit<8> value) { hdr.trail.second = value; }
    action two(bit<8> value) { hdr.trail.second = value + 1; }
    action three() { hdr.trail.second = 3; return; }
    action leave() { hdr.trail.second = 0xee; exit; }

    table steps {
        key = { hdr.trail.first: exact; }
        actions = { one; two; three; leave; }
        default_action = three();
        const entries = {
            1: one(0x10);
            2: two(0x20);
            3: leave();
            4: three();
        }
    }

    apply {
        standard_metadata.egress_spec = 2;
        if (hdr.trail.first == 0xff) {
            hdr.trail.fourth = 0xff;
            return;
        }
        switch (steps.apply().action_run) {
            one:
            two: { hdr.trail.third = 0x12; }
            leave: { hdr.trail.third = 0x99; }
            default: {
                hdr.trail.third = 0x33;
                meta.colour = Colour.BLUE;
            }
        }
        switch (hdr.trail.first) {
            1: { meta.colour = Colour.GREEN; }
            2:
            8w0x7f: { meta.colour = Colour.RED; }
        }
        switch (meta.colour) {
            Colour.GREEN: { hdr.trail.fourth = 0x0e; }
            Colour.BLUE: { hdr.trail.fourth = 0x0b; }
            default: { hdr.trail.fourth = 0x0d; }
        }
        bool known = steps.apply().hit;
        if (!known) {
            hdr.trail.third = hdr.trail.third | 0x80;
        }
        if (steps.apply().miss) {
            hdr.trail.fourth = hdr.trail.fourth | 0x80;
        }
    }
}

control MyEgress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        hdr.trail.first = hdr.trail.first + 0x40;
        if (hdr.trail.first == 0x41) {
            exit;
        }
        hdr.ethernet.src = 0x0a0b0c0d0e0f;
    }
}

NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.trail);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), MyEgress(), NoCompute(), MyDeparser()) main;
