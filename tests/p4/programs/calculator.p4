// A calculator: operand, operator and operand in a header behind its own EtherType; the answer goes back.

#include <core.p4>
#include <v1model.p4>
#include "common/headers.p4"
#include "common/empty.p4"

const bit<16> ETHERTYPE_CALCULATION = 0x1234;

enum bit<8> Operator {
    PLUS  = 0x2b,
    MINUS = 0x2d,
    AND   = 0x26,
    OR    = 0x7c,
    CARET = 0x5e,
    TIMES = 0x2a
}

header calculation_t {
    bit<8>   p;
    bit<8>   four;
    bit<8>   version;
    Operator operator;
    bit<32>  left;
    bit<32>  right;
    bit<32>  result;
}

struct headers {
    ethernet_t    ethernet;
    calculation_t calculation;
}

struct metadata { }

parser MyParser(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            ETHERTYPE_CALCULATION: check;
            default: accept;
        }
    }

    state check {
        transition select(packet.lookahead<calculation_t>().p,
                          packet.lookahead<calculation_t>().four,
                          packet.lookahead<calculation_t>().version) {
            (0x50, 0x34, 0x01): parse_calculation;
            default: accept;
        }
    }

    state parse_calculation {
        packet.extract(hdr.calculation);
        transition accept;
    }
}

NO_VERIFY(headers, metadata)

control MyIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard_metadata) {
    action send_back(bit<32> result) {
        mac_t kept;
        hdr.calculation.result = result;
        kept = hdr.ethernet.dst;
        hdr.ethernet.dst = hdr.ethernet.src;
        hdr.ethernet.src = kept;
        standard_metadata.egress_spec = standard_metadata.ingress_port;
    }

    action add()      { send_back(hdr.calculation.left + hdr.calculation.right); }
    action subtract() { send_back(hdr.calculation.left - hdr.calculation.right); }
    action and()      { send_back(hdr.calculation.left & hdr.calculation.right); }
    action or()       { send_back(hdr.calculation.left | hdr.calculation.right); }
    action xor()      { send_back(hdr.calculation.left ^ hdr.calculation.right); }
    action multiply() { send_back(hdr.calculation.left * hdr.calculation.right); }

    action drop() {
        mark_to_drop(standard_metadata);
    }

    table calculate {
        key = { hdr.calculation.operator: exact; }
        actions = { add; subtract; and; or; xor; multiply; drop; }
        const default_action = drop();
        const entries = {
            Operator.PLUS: add();
            Operator.MINUS: subtract();
            Operator.AND: and();
            Operator.OR: or();
            Operator.CARET: xor();
            Operator.TIMES: multiply();
        }
    }

    apply {
        if (hdr.calculation.isValid()) {
            calculate.apply();
        } else {
            drop();
        }
    }
}

NO_EGRESS(headers, metadata)
NO_COMPUTE(headers, metadata)

control MyDeparser(packet_out packet, in headers hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.calculation);
    }
}

V1Switch(MyParser(), NoVerify(), MyIngress(), NoEgress(), NoCompute(), MyDeparser()) main;
