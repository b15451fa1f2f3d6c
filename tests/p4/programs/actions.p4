// Actions at the top, which several controls may have in their tables: they see what their parameters stand for.

#include <core.p4>
#include <v1model.p4>
#include "common/empty.p4"

header pair_t {
    bit<8> kind;
    bit<8> mark;
}

struct headers {
    pair_t first;
    pair_t second;
}

struct metadata { }

action discard(inout standard_metadata_t standard) {
    mark_to_drop(standard);
}

action send(inout standard_metadata_t standard, inout headers hdr, bit<9> port) {
    standard.egress_spec = port;
    hdr.first.mark = 0x55;
    hdr.second = hdr.first;
}

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.first);
        transition select(hdr.first.kind) {
            0x80 .. 0x90: second;
            0x30 &&& 0xf0: second;
            1: reject;
            default: accept;
        }
    }

    state second {
        packet.extract(hdr.second);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    table forward {
        key = { hdr.first.kind: exact; }
        actions = { discard(standard_metadata); send(standard_metadata, hdr); }
        default_action = discard(standard_metadata);
    }

    apply {
        forward.apply();
        if (standard_metadata.parser_error != error.NoError) {
            standard_metadata.egress_spec = 9;
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
