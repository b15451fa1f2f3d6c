"""Programs of a size at which a careless translation would exceed what the kernel's verifier takes."""

import pytest

from dataplane.compiler.compiled import compile_lowered
from dataplane.compiler.lowering import lower
from dataplane.compiler.parser import parse_text
from dataplane.target.harness import Harness

pytestmark = pytest.mark.p4

HEADERS = 30
TABLES = 24
KINDS = ("exact", "lpm", "ternary")

PROGRAM = """
#include <core.p4>
#include <v1model.p4>
header e_t {{ bit<48> d; bit<48> s; bit<16> t; }}
header l_t {{ bit<20> v; bit<3> x; bit<1> b; bit<8> ttl; }}
header h_t {{ bit<128> a; bit<16> n; bit<16> c; bit<32> p; }}
struct headers {{ e_t e; l_t[16] ls; {headers} }}
struct metadata {{ {metadata} }}
parser P(packet_in p, out headers hdr, inout metadata meta, inout standard_metadata_t st) {{
    state start {{
        p.extract(hdr.e);
        transition select(hdr.e.t) {{ 0x8847: labels; 0x9999: h0; default: accept; }}
    }}
    state labels {{
        p.extract(hdr.ls.next);
        transition select(hdr.ls.last.b) {{ 1: h0; default: labels; }}
    }}
    {states}
}}
control V(inout headers hdr, inout metadata meta) {{ apply {{ }} }}
control I(inout headers hdr, inout metadata meta, inout standard_metadata_t st) {{
    action drop() {{ mark_to_drop(st); }}
    action forward(bit<9> port) {{ st.egress_spec = port; }}
    {tables}
    apply {{
        {applied}
        if (hdr.ls[0].isValid()) {{
            hdr.ls.pop_front(1);
        }} else {{
            hdr.ls.push_front(2);
            hdr.ls[0].setValid();
            hdr.ls[0] = {{ 20w1, 3w2, 1w0, 8w4 }};
            hdr.ls[1].setValid();
            hdr.ls[1] = {{ 20w2, 3w2, 1w1, 8w5 }};
        }}
        st.egress_spec = 2;
    }}
}}
control E(inout headers hdr, inout metadata meta, inout standard_metadata_t st) {{
    apply {{ if (st.egress_port == 7) {{ clone(CloneType.E2E, 32w3); }} }}
}}
control C(inout headers hdr, inout metadata meta) {{ apply {{ }} }}
control D(packet_out p, in headers hdr) {{ apply {{ p.emit(hdr); }} }}
V1Switch(P(), V(), I(), E(), C(), D()) main;
"""
TABLE = """
    action set{0}(bit<32> v) {{
        meta.m{0} = v;
        hdr.h{0}.p = v + hdr.h{0}.p;
        if (v > 10) {{ hdr.h{0}.setInvalid(); }}
    }}
    table t{0} {{
        key = {{ hdr.h{0}.a: {1}; meta.m{2}: exact; }}
        actions = {{ set{0}; forward; drop; NoAction; }}
        default_action = NoAction();
        size = 128;
    }}
"""
APPLIED = """
        if (hdr.h{0}.isValid()) {{
            if (t{0}.apply().hit) {{ meta.m{1} = meta.m{0} + 1; }}
            else if (meta.m{0} == 5) {{ hdr.h{0}.n = 7; }}
        }}
"""


def state(number):
    last = HEADERS - 1
    following = [min(number + step, last) for step in (1, 2, 3)]
    select = "select(hdr.h{}.n) {{ 1: h{}; 2: h{}; 3 &&& 0xff: h{}; default: accept; }}".format(number, *following)
    return f"state h{number} {{ p.extract(hdr.h{number}); transition {select if number < last else 'accept;'} }}"


def large():
    """Every third table of a kind; each parser state leads to the next three."""
    return PROGRAM.format(
        headers=" ".join(f"h_t h{number};" for number in range(HEADERS)),
        metadata=" ".join(f"bit<32> m{number};" for number in range(TABLES)),
        states="\n".join(map(state, range(HEADERS))),
        tables="".join(TABLE.format(number, KINDS[number % 3], max(0, number - 1)) for number in range(TABLES)),
        applied="".join(APPLIED.format(number, (number + 1) % TABLES) for number in range(TABLES)),
    )


def header(following):
    return bytes(16) + following.to_bytes(2) + bytes(6)


def test_thirty_headers_and_twenty_four_tables_are_taken_and_work():
    labels = bytes.fromhex("00001504 00002505")
    deep = b"".join([*(header(1) for _ in range(HEADERS - 1)), header(9)])
    with Harness(compile_lowered(lower(parse_text(large(), "large.p4"), "large"))) as switch:
        plain = bytes(12) + b"\x99\x99" + deep + b"payload"
        assert switch.send(1, plain) == [(2, plain[:14] + bytes.fromhex("00001404 00002505") + plain[14:])]
        labelled = bytes(12) + b"\x88\x47" + bytes.fromhex("00001404") + labels[4:] + deep + b"payload"
        assert switch.send(1, labelled) == [(2, labelled[:14] + labelled[18:])]
