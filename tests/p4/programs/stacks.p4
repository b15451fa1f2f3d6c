// Labels: a stack that is pushed, popped, read at an index known at run time, copied and cut; lookahead and advance.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

header command_t {
    bit<8> operation;
    bit<8> index;
}

header label_t {
    bit<20> number;
    bit<3>  class;
    bit<1>  bottom;
    bit<8>  ttl;
}

header answer_t {
    bit<32> value;
}

struct headers {
    ethernet_t ethernet;
    command_t  command;
    label_t[4] labels;
    answer_t   answer;
}

struct metadata { }

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(packet.lookahead<bit<8>>()) {
            0xff: skip;
            0xf0 &&& 0xf0: reject;
            default: parse_command;
        }
    }

    // Two bytes that are nobody's.
    state skip {
        packet.advance(16);
        transition parse_command;
    }

    state parse_command {
        packet.extract(hdr.command);
        transition parse_label;
    }

    state parse_label {
        packet.extract(hdr.labels.next);
        transition select(hdr.labels.last.bottom) {
            0: parse_label;
            1: accept;
        }
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    apply {
        standard_metadata.egress_spec = 2;
        if (standard_metadata.parser_error == error.NoError) {
            bit<8> operation = hdr.command.operation;
            if (operation == 1) {
                hdr.labels.push_front(1);
                hdr.labels[0].setValid();
                hdr.labels[0] = { 0xabcde, 5, 0, 64 };
            } else if (operation == 2) {
                hdr.labels.pop_front(1);
            } else if (operation == 3) {
                hdr.labels.push_front(3);
            } else if (operation == 4) {
                hdr.labels.pop_front(4);
            } else if (operation == 5) {
                hdr.labels[hdr.command.index].ttl = 0;
            } else if (operation == 6) {
                hdr.answer.setValid();
                hdr.answer.value = (bit<32>) hdr.labels[hdr.command.index].number;
            } else if (operation == 7) {
                label_t kept = hdr.labels[0];
                hdr.labels[0] = hdr.labels[1];
                hdr.labels[1] = kept;
            } else if (operation == 8) {
                hdr.labels[2].setInvalid();
            } else if (operation == 9) {
                hdr.answer.setValid();
                hdr.answer.value = hdr.labels.lastIndex;
            } else if (operation == 10 && hdr.labels[0] == hdr.labels[1]) {
                standard_metadata.egress_spec = 3;
            }
        } else {
            hdr.answer.setValid();
            hdr.answer.value = 0;
            if (standard_metadata.parser_error == error.PacketTooShort) {
                hdr.answer.value = 1;
            } else if (standard_metadata.parser_error == error.StackOutOfBounds) {
                hdr.answer.value = 3;
            }
            standard_metadata.egress_spec = 4;
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
