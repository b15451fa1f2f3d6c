"""What is wrong with a program: each time the place (marked § here), what was found and what was expected."""

import re

import lowering_programs
import pytest

from dataplane.compiler.errors import CompileError, UnsupportedError
from dataplane.compiler.lowering import lower
from dataplane.compiler.parser import parse_text

ACTIONS = "action x() {} action y() {} action v(bit<8> data) {}"
NAMES = {
    "a variable": ({"apply": "m.a = §hrd.eth.kind;"}, "found undeclared name hrd; the nearest is hdr"),
    "a member": (
        {"apply": "m.b = hdr.eth.§kidn;"},
        "found no member of eth_t kidn; the nearest is kind; expected one of dst, src, kind",
    ),
    "a type": (
        {"apply": "§ehter_t x;", "top": "header ether_t {}"},
        "found undeclared type ehter_t; the nearest is ether_t",
    ),
    "an action of a table": (
        {"locals": f"{ACTIONS} table t {{ actions = {{ x; §z; }} }}"},
        "found undeclared action z",
    ),
    "a member of an enum": (
        {"locals": "counter(4, CounterType.§packet) c;"},
        "found no member of enum CounterType packet; the nearest is packets; "
        "expected one of packets, bytes, packets_and_bytes",
    ),
    "an error": (
        {"start": "verify(true, error.§NoMach); transition accept;"},
        "found no error NoMach; the nearest is NoMatch; expected one of NoError, PacketTooShort, NoMatch, "
        "StackOutOfBounds, HeaderTooShort, ParserTimeout, ParserInvalidArgument",
    ),
    "a state": (
        {"start": "transition §nxt;", "states": "state next { transition accept; }"},
        "found undeclared state nxt; the nearest is next; expected accept, reject or one of start, next",
    ),
    "a match kind": (
        {"locals": f"{ACTIONS} table t {{ key = {{ m.a: §exct; }} actions = {{ x; }} }}"},
        "found unknown match kind exct; the nearest is exact; "
        "expected one of exact, lpm, optional, range, selector, ternary",
    ),
    "a table property": (
        {"locals": "table t { actions = { NoAction; } §szie = 5; }"},
        "found table property szie; the nearest is size",
    ),
    "a method": (
        {"apply": "hdr.eth.§setvalid();"},
        "found no method of a header setvalid; the nearest is setValid; expected one of isValid, setValid, setInvalid, "
        "minSizeInBits, maxSizeInBits, minSizeInBytes, maxSizeInBytes",
    ),
    "a second one": (
        {"locals": "bit<8> x;\nbool §x;"},
        "found a second declaration of x; the first is at a.p4:15:8",
    ),
    "a second member": ({"top": "struct s { bit<8> a; bool §a; }"}, "found a second member a; expected another name"),
}
TYPES = {
    "a width": ({"apply": "m.a = §hdr.eth.kind;"}, "found bit<16>; expected bit<8>"),
    "both sides": (
        {"apply": "m.a = m.a §+ m.b;"},
        "found bit<8> + bit<16>; expected the same type on both sides",
    ),
    "signs": ({"apply": "m.s = m.s §* m.b;"}, "found int<16> * bit<16>; expected the same type on both sides"),
    "a condition": ({"apply": "if (§m.a) { }"}, "found bit<8>; expected bool"),
    "a number out of range": ({"apply": "m.a = §256;"}, "found 256; expected a number in the range of bit<8>"),
    "a negative one out of range": (
        {"apply": "m.s = §-32769;"},
        "found -32769; expected a number in the range of int<16>",
    ),
    "a literal out of range": ({"apply": "m.a = §8w256;"}, "found 256; expected a number of 8 bits"),
    "an index": ({"apply": "hdr.tags[§3].last = 1;"}, "found index 3; expected 0 to 2"),
    "bits": ({"apply": "m.a = m.b[§16:9];"}, "found [16:9] of bit<16>; expected bits 15 to 0"),
    "a cast": (
        {"apply": "m.a = §(bit<8>)m.s;"},
        "found a cast from int<16> to bit<8>; expected types that it can",
    ),
    "a list": ({"apply": "hdr.eth = §{ 1, 2 };"}, "found 2 values; expected 3 of eth_t"),
    "a division": ({"apply": "m.a = m.a §/ 0;"}, "found division by zero; expected another divisor"),
    "no width": (
        {"apply": "m.a = 1 §<< m.a;"},
        "found << of a number without a width; expected one with a width",
    ),
    "a constant": (
        {"apply": "const bit<8> k = §m.a;"},
        "found a value computed at run time; expected a constant k",
    ),
    "a returned value": ({"top": "void f() { return §5; }"}, "found a value returned; expected return;"),
    "no returned value": ({"top": "bit<8> f() { §return; }"}, "found return; expected a value of bit<8>"),
    "a way without return": (
        {"top": "§bit<8> f(in bool c) { if (c) { return 1; } }"},
        "found a way through f without return; expected a value of bit<8>",
    ),
    "what an emit takes": (
        {"deparser": "§packet.emit(hdr.eth.dst);"},
        "found emit of bit<48>; expected headers, stacks or structs of them",
    ),
}
CALLS = {
    "too many arguments": (
        {"locals": f"{ACTIONS} action z() {{ §v(1, 2); }}"},
        "found 2 arguments for v; expected 1 argument",
    ),
    "too few": (
        {"locals": "counter(4, CounterType.packets) c;", "apply": "§c.count();"},
        "found 0 arguments for count; expected 1 argument (index missing)",
    ),
    "no place for out": (
        {"top": "void f(out bit<8> a) { a = 1; }", "apply": "f(§5);"},
        "found a value that has no place; expected one that can be written",
    ),
    "out of another type": (
        {"top": "void f(out bit<8> a) { a = 1; }", "apply": "f(§m.b);"},
        "found bit<16> for out a; expected bit<8>",
    ),
    "an extern's type": (
        {"locals": "register<bit<32>>(4) r;", "apply": "r.read(§m.a, 0);"},
        "found bit<8> for result of read; expected bit<32>",
    ),
    "writing in": (
        {"locals": "action z(in bit<8> p) { §p = 1; }"},
        "found what is only read here (in, const or a table key's); expected one that can be written",
    ),
    "a list without widths": (
        {"apply": "§hash(m.b, HashAlgorithm.crc16, 16w0, { 5 }, 16w10);"},
        "found int in a list for hash; expected a width",
    ),
    "a function that calls itself": (
        {"top": "§bit<8> f(in bit<8> a) { return f(a); }"},
        "found recursion in f; expected none",
    ),
    "a control in itself": (
        {"top": "§control L() { L() l; apply { l.apply(); } }"},
        "found recursion in control L; expected none",
    ),
    "a table in an action": (
        {"locals": "table t { actions = { NoAction; } } action z() { §t.apply(); }"},
        "found apply of a table in an action; expected it in a control",
    ),
}
TABLES = {
    "no actions": (
        {"locals": "table §t { key = { m.a: exact; } }"},
        "found table t without actions; expected actions = { … }",
    ),
    "a default that it does not have": (
        {"locals": f"{ACTIONS} table t {{ actions = {{ x; }} default_action = §y(); }}"},
        "found action y, which is not among the table's; expected one of x",
    ),
    "a default without data": (
        {"locals": f"{ACTIONS} table t {{ actions = {{ v; }} default_action = §v(); }}"},
        "found 0 arguments for v; expected 1 argument (data missing)",
    ),
    "a default with data of the packet": (
        {"locals": f"{ACTIONS} table t {{ actions = {{ v; }} default_action = v(§m.a); }}"},
        "found data computed at run time; expected a constant",
    ),
    "a key without name": (
        {"locals": f"{ACTIONS} table t {{ key = {{ m.a §+ 1: exact; }} actions = {{ x; }} }}"},
        'found a key that has no name by itself; expected @name("…") behind it',
    ),
    "an entry twice": (
        {
            "locals": f"{ACTIONS}\ntable t {{ key = {{ m.a: exact; }} actions = {{ x; }}\n"
            "const entries = { 1: x(); §1: x(); } }"
        },
        "found a second entry for the same key; the first is at a.p4:17:19",
    ),
    "a mask with holes": (
        {
            "locals": f"{ACTIONS} table t {{ key = {{ m.a: lpm; }} actions = {{ x; }} "
            "const entries = { §1 &&& 5: x(); } }"
        },
        "found mask 0x5 for an lpm key; expected leading ones",
    ),
    "too few key values": (
        {
            "locals": f"{ACTIONS} table t {{ key = {{ m.a: exact; m.b: exact; }} actions = {{ x; }} "
            "const entries = { §1: x(); } }"
        },
        "found 1 key values; expected 2",
    ),
}
PARSERS = {
    "a loop without bound": (
        {
            "start": "transition select(m.a) { 1: first; default: accept; }",
            "states": "§state first { transition second; } state second { transition first; }",
        },
        "found a parser loop without bound in state first (first to second to first); "
        "expected an extract or advance in it",
    ),
    "a case of another width": (
        {"start": "transition select(m.a) { §256: accept; }"},
        "found 256; expected a number in the range of bit<8>",
    ),
    "too many values in a case": (
        {"start": "transition select(m.a) { §(1, 2): accept; }"},
        "found 2 values in a case; expected 1",
    ),
    "a range upside down": (
        {"start": "transition select(m.a) { §4 .. 2: accept; }"},
        "found range 4 .. 2; expected the lower bound first",
    ),
}
MAIN = {
    "a parser for a control": (
        {
            "main": "V1Switch(P(), V(), Q(), E(), C(), D()) main;",
            "top": "parser §Q() { state start { transition accept; } }",
        },
        "found parser Q as ig; expected a control",
    ),
    "controls in another order": (
        {
            "main": "V1Switch(P(), V(), I(), E(), F(), D()) main;",
            "top": "control F(inout headers h, inout bit<8> §b) { apply {} }",
        },
        "found inout bit<8> as b of F; expected inout meta",
    ),
    "a part missing": (
        {"main": "§V1Switch(P(), V(), I(), E(), C()) main;"},
        "found 5 arguments for V1Switch; expected 6 arguments (dep missing)",
    ),
}
UNSUPPORTED = {
    "varbit": ({"top": "header v { §varbit<32> x; }"}, "varbit"),
    "header unions": ({"top": "§header_union u { eth_t a; }"}, "header_union"),
    "value sets": ({"parser_locals": "§value_set<bit<8>>(4) v;"}, "value_set"),
    "wide numbers": ({"apply": "§bit<129> x;"}, "bit<129> (wider than 128 bits)"),
    "wide results": ({"apply": "m.b = (m.wide §++ m.b)[15:0];"}, "++ to 144 bits (wider than 128)"),
    "headers of odd bits": ({"top": "header §h { bit<7> x; }"}, "header h of 7 bits (not whole bytes)"),
    "loops": ({"apply": "§for (bit<8> i = 0; i < 3; i = i + 1) {}"}, "for"),
    "assertions": ({"apply": "§assert(true);"}, "assert"),
    "registers of structs": (
        {"top": "struct s { bit<8> a; }", "locals": "§register<s>(4) r;"},
        "register of s",
    ),
}
WRONG = {
    f"{group}: {name}": case
    for group, cases in {
        "names": NAMES,
        "types": TYPES,
        "calls": CALLS,
        "tables": TABLES,
        "parsers": PARSERS,
        "main": MAIN,
    }.items()
    for name, case in cases.items()
}


def refusal(parts):
    """Where the mark is, and the error of the program without it."""
    marked = lowering_programs.text(**parts)
    before, _, behind = marked.partition("§")
    line = before.count("\n") + 1
    column = len(before) - before.rfind("\n")
    with pytest.raises(CompileError) as caught:
        lower(parse_text(before + behind, "a.p4"), "a")
    return f"a.p4:{line}:{column}", caught.value


@pytest.mark.parametrize(("parts", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_at_its_place(parts, message):
    place, error = refusal(parts)
    assert str(error) == f"{place}: {message}"
    assert not isinstance(error, UnsupportedError)


@pytest.mark.parametrize(("parts", "construct"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_this_target_cannot_run_is_named_at_its_place(parts, construct):
    place, error = refusal(parts)
    assert str(error) == f"{place}: construct {construct} is not supported"
    assert isinstance(error, UnsupportedError)


def test_all_errors_of_a_program_are_told_in_order_of_their_places():
    with pytest.raises(CompileError) as caught:
        lowering_programs.program(locals="action x() { m.a = 1w1; }", apply="m.b = true;\nm.d = 1;")
    assert str(caught.value).splitlines() == [
        "a.p4:15:20: found bit<1>; expected bit<8>",
        "a.p4:17:7: found bool; expected bit<16>",
        "a.p4:18:3: found no member of meta d; expected one of a, b, c, s, wide, kept",
    ]


def test_what_follows_from_an_error_is_not_told_again():
    with pytest.raises(CompileError) as caught:
        lowering_programs.program(apply="unknown_t x;\nx.a = 1;\nm.a = x.b;")
    assert str(caught.value) == "a.p4:17:1: found undeclared type unknown_t"


def test_a_program_that_is_wrong_is_not_called_unsupported_for_something_else_in_it():
    with pytest.raises(CompileError) as caught:
        lowering_programs.program(top="header v { varbit<32> x; }", apply="m.a = true;")
    assert not isinstance(caught.value, UnsupportedError)


def test_a_program_without_main_says_what_is_missing():
    with pytest.raises(CompileError, match=r"found no main; expected V1Switch\(…\) main;"):
        lowering_programs.program(main="")


def test_controls_that_nobody_applies_are_checked_too():
    with pytest.raises(CompileError, match=r"found bool; expected bit<8>"):
        lowering_programs.program(top="control U(inout meta m) { apply { m.a = true; } }")


RICH = lowering_programs.text(
    top="""enum bit<8> Kind { A = 1 } struct pair_t { bit<8> x; eth_t y; }
    bit<8> both(inout bit<8> x, in pair_t p) { x = p.x; return x ++ 4w0 == 0 ? 8w1 : (bit<8>)Kind.A; }
    control Sub(inout headers h, out bool hit)(bit<8> n) {
        action set(in bit<8> a, bit<8> b) { h.eth.kind = a ++ (b + n); }
        table t { key = { h.eth.dst: lpm; } actions = { set(n); NoAction; } const entries = { 0 &&& 0: set(4); } }
        apply { hit = t.apply().hit; }
    }""",
    parser_locals="bit<8> count = 0;",
    states="""state tag { packet.extract(hdr.tags.next);
    transition select(hdr.tags.last.last, m.a) { (1, 2 .. 3): tag; } }""",
    locals="register<bit<16>>(4) r; counter(4, CounterType.bytes) c; Sub(1) s;",
    apply="""pair_t p = { 1, { 2, 3, 4 } }; s.apply(hdr, m.c); r.read(m.b, 1); c.count((bit<32>)m.b);
    switch (m.a) { 1: { hdr.tags.pop_front(1); } default: { m.a = both(m.a, p); } }
    hash(m.b, HashAlgorithm.crc16, 16w0, { m.a, hdr.eth }, 16w9); if (hdr.eth.isValid()) { exit; }""",
)


@pytest.mark.parametrize("other", ["", "hdr"])
def test_a_program_with_any_one_word_changed_is_lowered_or_refused(other):
    words = re.split(r"(\w+)", RICH)
    assert lower(parse_text(RICH), "a")
    refused = 0
    for index, word in enumerate(words):
        if word.isidentifier():
            try:
                lower(parse_text("".join([*words[:index], other, *words[index + 1 :]]), "a.p4"), "a")
            except CompileError:
                refused += 1
    assert refused > 100
