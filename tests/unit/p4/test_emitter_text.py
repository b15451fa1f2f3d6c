"""The C of small things."""

import pytest

from dataplane.compiler.clang import ORIGIN
from dataplane.compiler.emitter import emit
from dataplane.compiler.emitter.bytefields import reading, writing
from dataplane.compiler.emitter.crc import crc_table
from dataplane.compiler.emitter.numbers import literal, masked
from dataplane.compiler.emitter.reach import reach
from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowering import lower
from dataplane.compiler.parser import parse_text

PROGRAM = """
#include <core.p4>
#include <v1model.p4>
header label_t {{ bit<7> value; bit<1> bottom; }}
header sum_t {{ bit<16> sum; bit<16> size; }}
struct headers {{ sum_t sum; label_t[4] labels; }}
struct metadata {{ bit<8> kept; }}
parser P(packet_in p, out headers hdr, inout metadata meta, inout standard_metadata_t standard) {{
    state start {{ p.extract(hdr.sum); transition labels; }}
    state labels {{
        p.extract(hdr.labels.next);
        transition select(hdr.labels.last.bottom) {{ 1: accept; default: labels; }}
    }}
}}
control V(inout headers hdr, inout metadata meta) {{ apply {{ }} }}
control I(inout headers hdr, inout metadata meta, inout standard_metadata_t standard) {{
    {declarations}
    apply {{ {statements} }}
}}
control E(inout headers hdr, inout metadata meta, inout standard_metadata_t standard) {{ apply {{ }} }}
control C(inout headers hdr, inout metadata meta) {{ apply {{ }} }}
control D(packet_out p, in headers hdr) {{ apply {{ p.emit(hdr); }} }}
V1Switch(P(), V(), I(), E(), C(), D()) main;
"""


def lowered(statements="", declarations=""):
    text = PROGRAM.format(statements=statements, declarations=declarations)
    return lower(parse_text(text, "small.p4"), "small")


@pytest.mark.parametrize(
    ("offset", "bits", "text"),
    [
        (0, 8, "load8(b)"),
        (16, 16, "load16(b + 2)"),
        (0, 48, "(load64(b) >> 16)"),
        (4, 4, "(load8(b) & 0xfu)"),
        (3, 13, "(load16(b) & 0x1fffu)"),
        (0, 4, "(load8(b) >> 4)"),
    ],
)
def test_a_field_is_read_by_one_load(offset, bits, text):
    assert reading("b", offset, bits) == text


def test_whole_bytes_are_written_without_reading_what_was_there():
    assert list(writing("b", 0, 48, "v")) == ["store32(b, (u64)v >> 16);", "store16(b + 4, v);"]


def test_bits_within_a_byte_leave_the_others():
    assert list(writing("b", 4, 4, "v")) == ["store8(b, (load8(b) & 0xf0u) | (u64)v);"]


def test_literals_are_cut_to_their_width():
    assert [literal(-1, 9), literal(5, 8), literal(1 << 40, 48)] == ["0x1ffu", "5u", "0x10000000000ull"]


def test_a_number_of_a_whole_type_needs_no_mask():
    assert (masked("x", 32), masked("x", 9)) == ("(u32)(x)", "((x) & 0x1ffu)")


def test_the_tables_of_checksums_are_those_of_the_standards():
    assert crc_table(0xEDB88320)[1] == 0x77073096
    assert crc_table(0xA001)[255] == 0x4040


def test_a_loop_of_the_parser_reaches_as_far_as_its_stack():
    assert reach(lowered()) == 4 + 5


def test_a_program_without_copies_says_so():
    assert "#define USES_COPIES 0" in emit(lowered())


@pytest.mark.parametrize("statement", ["clone(CloneType.I2E, 32w1);", "standard.mcast_grp = 1;"])
def test_a_program_with_copies_says_so(statement):
    assert "#define USES_COPIES 1" in emit(lowered(statement))


def test_every_statement_tells_where_it_comes_from():
    origins = {line for line in emit(lowered("meta.kept = 1;")).splitlines() if ORIGIN.match(line)}
    assert any(line.startswith("// small.p4:") for line in origins)


def test_a_custom_checksum_is_not_supported():
    statement = "hash(meta.kept, HashAlgorithm.crc16_custom, 8w0, { hdr.sum }, 8w9);"
    with pytest.raises(UnsupportedError, match=r"small\.p4:\d+:\d+: construct HashAlgorithm.crc16_custom"):
        emit(lowered(statement))


def test_more_maps_than_the_kernel_allows_are_told_with_their_number():
    declarations = "".join(f"register<bit<8>>(1) r{number};" for number in range(60))
    statements = "".join(f"r{number}.write(0, 8w1);" for number in range(60))
    with pytest.raises(CompileError, match=r"needs 67 maps .* the kernel allows 64"):
        emit(lowered(statements, declarations))
