"""A small v1model program with holes, for tests of the checker and the lowering."""

from dataplane.compiler.lowering import lower
from dataplane.compiler.parser import parse_text

PROGRAM = """#include <v1model.p4>
header eth_t {{ bit<48> dst; bit<48> src; bit<16> kind; }}
header tag_t {{ bit<15> number; bit<1> last; }}
struct headers {{ eth_t eth; eth_t inner; tag_t[3] tags; }}
struct kept_t {{ @field_list(1) bit<4> x; }}
struct meta {{ @field_list(1, 2) bit<8> a; @field_list(2) bit<16> b; bool c; int<16> s; bit<128> wide; kept_t kept; }}
{top}
parser P(packet_in packet, out headers hdr, inout meta m, inout standard_metadata_t sm) {{
{parser_locals}
state start {{ {start} }}
{states}
}}
control V(inout headers hdr, inout meta m) {{ apply {{ {verify} }} }}
control I(inout headers hdr, inout meta m, inout standard_metadata_t sm) {{
{locals}
apply {{
{apply}
}}
}}
control E(inout headers hdr, inout meta m, inout standard_metadata_t sm) {{ apply {{ {egress} }} }}
control C(inout headers hdr, inout meta m) {{ apply {{ {compute} }} }}
control D(packet_out packet, in headers hdr) {{ apply {{ {deparser} }} }}
{main}
"""
HOLES = {
    "top": "",
    "parser_locals": "",
    "start": "packet.extract(hdr.eth); transition accept;",
    "states": "",
    "verify": "",
    "locals": "",
    "apply": "",
    "egress": "",
    "compute": "",
    "deparser": "packet.emit(hdr.eth);",
    "main": "V1Switch(P(), V(), I(), E(), C(), D()) main;",
}


def text(**parts):
    """The program with some holes filled."""
    return PROGRAM.format(**{**HOLES, **parts})


def program(defines=None, **parts):
    """The same in its lowered form."""
    return lower(parse_text(text(**parts), "a.p4", defines), "a")


def ingress(apply, **parts):
    """What statements of the ingress become."""
    return program(apply=apply, **parts).ingress
