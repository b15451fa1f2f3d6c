"""Random programs of statements: assignments, branches, calls, tables, header stacks.

What a program reads is defined: headers that became invalid are made valid again before the next statement.
"""

import random

FRAME = """
#include <v1model.p4>
header a_t { bit<8> x; bit<16> y; bit<4> u; bit<12> v; int<32> s; bit<64> w; }
header b_t { bit<7> p; bit<1> f; bit<24> q; bool g; bit<39> r; }
header item_t { bit<8> n; bit<8> m; }
struct inner_t { bit<8> k; a_t h; }
struct headers { a_t a; b_t b; item_t[4] items; a_t c; }
struct meta { inner_t inner; bit<8> t; bit<16> z; bool l; int<32> s; bit<128> big; }

bit<8> limited(inout bit<8> x, in bit<16> y) {
    if (x > 100) { return (bit<8>) y; }
    x = x + 3;
    return x ++ 4w0 == 0 ? 8w7 : x;
}

void mixed(inout headers h, in item_t i, out bit<8> o) {
    o = i.n;
    if (h.a.v > 0x300) { h.a.y = h.a.y + 1; h.items[1] = i; return; }
    h.a = { 1, 2, 3, 4, 5, 6 };
}

control Sub(inout a_t h, in bit<8> v, inout bit<16> sum)(bit<8> c) {
    bit<8> own = v;
    action bump(in bit<8> by, bit<8> d) { own = own + by + d; sum = sum + (bit<16>) own; }
    action leave() { sum = 0xdead; exit; }
    table t {
        key = { h.x: exact; v: ternary; }
        actions = { bump(c); leave; NoAction; }
        const entries = { (1, _): bump(1); (2, 0 &&& 1): bump(2); (2, _): bump(3); (3, 8 &&& 0xf8): leave(); }
    }
    apply {
        if (t.apply().hit) { h.v = h.v + 1; } else { own = 1; }
        if (own == 9) { return; }
        h.y = h.y ^ (bit<16>) own;
    }
}

parser P(packet_in p, out headers hdr, inout meta m, inout standard_metadata_t sm) {
    state start {
        p.extract(hdr.a);
        transition select(hdr.a.x[1:0], hdr.a.u) {
            (0, _): second; (1, 0 .. 7): more; (2, 1 &&& 1): last; default: accept;
        }
    }
    state second { p.extract(hdr.b); transition select(hdr.b.g) { true: more; false: accept; } }
    state more {
        p.extract(hdr.items.next);
        m.t = m.t + hdr.items.last.n;
        transition select(hdr.items.last.m) { 0 .. 0x7f: more; 0xff: reject; default: last; }
    }
    state last {
        m.inner.k = p.lookahead<bit<8>>();
        verify(m.inner.k != 0xee, error.NoMatch);
        p.extract(hdr.c);
        transition accept;
    }
}

control I(inout headers hdr, inout meta m, inout standard_metadata_t sm) {
    Sub(1) one;
    Sub(4) two;
    bit<8> v8 = 5;
    bit<16> v16;
    bit<64> v64 = 77;
    bool yes;
    int<32> signed = -9;
    action add(inout bit<8> to, in bit<16> w, bit<8> d) { to = to + d; if (w == 0) { return; } v16 = w; }
    action set(bit<16> d) { v16 = d; hdr.b.setValid(); hdr.b.r = 39w5; }
    table exact_one {
        key = { v8: exact; }
        actions = { set; add(hdr.a.x, hdr.a.y); }
        default_action = set(9);
        const entries = { 5: add(7); 0x10: set(0xabcd); }
    }
    table ranges {
        key = { hdr.a.y: range; hdr.b.isValid(): exact; yes: optional; }
        actions = { set; NoAction; }
        const entries = {
            (0 .. 0x7fff, false, _): set(1); (0x8000 .. 0xffff, true, true): set(2); (_, true, _): set(3);
        }
    }
    table prefixes {
        key = { hdr.a.w: lpm; }
        actions = { set; NoAction; }
        const entries = { 0x01 << 56 &&& 0xff << 56: set(4); 0 &&& 1 << 63: set(5); }
    }
    apply {
        sm.egress_spec = 1;
        if (sm.parser_error != error.NoError) { hdr.a.u = 15; }
        BODY
        hdr.a.v = hdr.a.v ^ v16[11:0];
        hdr.a.x = hdr.a.x ^ v8;
        hdr.a.w = hdr.a.w ^ v64 ^ m.big[127:64] ^ m.big[63:0];
        if (yes) { hdr.a.s = hdr.a.s + signed + m.s; }
        hdr.c = m.inner.h;
        hdr.c.y = m.z;
    }
}

control V(inout headers hdr, inout meta m) { apply { } }
control E(inout headers hdr, inout meta m, inout standard_metadata_t sm) { apply { } }
control D(packet_out packet, in headers hdr) { apply { packet.emit(hdr); } }
V1Switch(P(), V(), I(), E(), V(), D()) main;
"""
DEFAULTS = {
    "hdr.a": "1, 2, 3, 4, 5, 6",
    "hdr.b": "1, 1, 7, true, 9",
    "hdr.c": "9, 8, 7, 6, 5, 4",
    "m.inner.h": "3, 3, 3, 3, 3, 3",
    **{f"hdr.items[{index}]": f"{index}, 7" for index in range(4)},
}
VALID = " ".join(f"if (!{header}.isValid()) {{ {header} = {{ {values} }}; }}" for header, values in DEFAULTS.items())
PLACES = {
    8: ["v8", "hdr.a.x", "m.t", "hdr.items[0].n", "hdr.items[1].m", "m.inner.k", "m.inner.h.x", "hdr.c.x"],
    16: ["v16", "hdr.a.y", "m.z", "hdr.c.y", "m.inner.h.y"],
    32: ["signed", "hdr.a.s", "m.s"],
    64: ["v64", "hdr.a.w", "m.inner.h.w"],
}
PLACES[8] += ["hdr.items[v8[1:0]].n", "hdr.items[hdr.a.x[1:0]].m"]
PARTS = {
    8: ["hdr.b.p ++ hdr.b.f", "(hdr.a.u ++ hdr.a.v[7:4])", "(bit<8>) hdr.items.lastIndex", "v16[12:5]"],
    16: ["hdr.a.u ++ hdr.a.v", "hdr.b.q[20:5]", "m.big[100:85]", "v8 ++ m.t", "(bit<16>) m.inner.k"],
    32: ["(int<32>) (int<8>) v8", "(int<32>) (bit<32>) m.z"],
    64: ["m.big[90:27]", "25w1 ++ hdr.b.r", "(bit<64>) v8 << 40", "(bit<64>) m.z"],
}
CONDITIONS = ["yes", "m.l", "hdr.b.g", "hdr.a == hdr.c", "hdr.items[0] == hdr.items[1]", "hdr.b.isValid()"]
WIDTHS = [8, 16, 32, 64]
COPIES = [
    "hdr.c = hdr.a;",
    "hdr.a = m.inner.h;",
    "m.inner.h = hdr.a;",
    "hdr.items[1] = hdr.items[v8[1:0]];",
    "hdr.items[hdr.a.x[1:0]] = hdr.items[2];",
    "hdr.a = { hdr.a.x + 1, hdr.a.y, hdr.a.u, 5, signed, hdr.a.w };",
    "m.inner = { 8w3, hdr.c };",
]
CALLS = [
    "exact_one.apply();",
    "ranges.apply();",
    "prefixes.apply();",
    "mixed(hdr, hdr.items[1], v8);",
    "mixed(hdr, hdr.items[v8[1:0]], m.t);",
    "one.apply(hdr.a, v8, v16);",
    "two.apply(m.inner.h, m.t, m.z);",
    "add(m.t, hdr.a.y, 3);",
    "set(v16);",
]
INVALID = [
    *(f"hdr.items.{operation}({count});" for operation in ("push_front", "pop_front") for count in (1, 2, 3)),
    *(f"{header}.setInvalid(); yes = yes || {header}.isValid();" for header in DEFAULTS),
]


class Writer:
    """Writes programs and packets for them; the same seed gives the same."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def program(self):
        statements = [VALID, *(self.statement(0) for _ in range(self.random.randint(4, 14)))]
        return FRAME.replace("BODY", "\n        ".join(statements))

    def packet(self):
        """Bytes that often lead through the parser, and sometimes end too early."""
        x = self.random.choice([0, 1, 2, 3, 4, 5, 9, 0x12, self.random.randrange(256)])
        u = self.random.choice([0x00, 0x11, 0x90, self.random.randrange(256)])
        w = self.random.choice([b"\x01" + bytes(7), bytes(8), self.random.randbytes(8)])
        rest = [0, 1, 0x7F, 0x80, 0xFF, 0xEE, self.random.randrange(256)]
        size = self.random.choice([0, 3, 12, 30, 60])
        whole = bytes([x, *self.random.randbytes(2), u, *self.random.randbytes(5), *w])
        whole += bytes(self.random.choice(rest) for _ in range(size))
        return whole[: self.random.choice([200, 200, 200, 5, 21])]

    def statement(self, depth):
        kinds = [self.assignment] * 8 + [self.copy, self.call, self.invalid, self.slice] * 2
        if depth < 3:
            kinds += [self.branch, self.branch, self.switch, self.switch_on_action]
        if depth:
            kinds.append(self.leave)
        return self.random.choice(kinds)(depth)

    def block(self, depth):
        statements = " ".join(self.statement(depth + 1) for _ in range(self.random.randint(1, 3)))
        return f"{{ {statements} }}"

    def assignment(self, depth):
        width = self.random.choice(WIDTHS)
        if self.random.random() < 0.15:
            return f"{self.random.choice(['yes', 'm.l', 'hdr.b.g'])} = {self.condition(0)};"
        return f"{self.random.choice(PLACES[width])} = {self.number(width, 0)};"

    def slice(self, depth):
        target, width = self.random.choice([("hdr.a.v[9:2]", 8), ("m.big[100:85]", 16), ("v64[40:33]", 8)])
        return f"{target} = {self.number(width, 0)};"

    def copy(self, depth):
        return self.random.choice(COPIES)

    def call(self, depth):
        return self.random.choice(CALLS)

    def invalid(self, depth):
        return f"{self.random.choice(INVALID)} {VALID}"

    def leave(self, depth):
        return self.random.choice(["return;", "exit;"])

    def branch(self, depth):
        return f"if ({self.condition(0)}) {self.block(depth)} else {self.block(depth)}"

    def switch(self, depth):
        value, some, others = self.number(8, 1), self.block(depth), self.block(depth)
        return f"switch ({value}) {{ 0: 1: {some} 5: {{ v8 = 1; }} default: {others} }}"

    def switch_on_action(self, depth):
        return f"switch (exact_one.apply().action_run) {{ set: {self.block(depth)} add: {self.block(depth)} }}"

    def number(self, width, depth):
        """An expression of a width; 32 bits are signed."""
        forms = [self.leaf]
        if depth < 3:
            forms += [self.operation] * 3 + [self.shift, self.choice, self.negation, self.part]
            forms += [self.function] * (width == 8)
        return self.random.choice(forms)(width, depth)

    def leaf(self, width, depth):
        if self.random.random() < 0.7:
            return self.random.choice(PLACES[width])
        value = self.random.randrange(1 << self.random.choice([1, 3, width - 1]))
        return f"{width}{'s' if width == 32 else 'w'}{value}"

    def operation(self, width, depth):
        operator = self.random.choice(["+", "-", "*", "&", "|", "^", "|+|", "|-|"])
        return f"({self.number(width, depth + 1)} {operator} {self.number(width, depth + 1)})"

    def shift(self, width, depth):
        return f"({self.number(width, depth + 1)} {self.random.choice(['<<', '>>'])} {self.number(8, depth + 1)})"

    def choice(self, width, depth):
        then, otherwise = self.number(width, depth + 1), self.number(width, depth + 1)
        return f"({self.condition(depth + 1)} ? {then} : {otherwise})"

    def negation(self, width, depth):
        return f"({self.random.choice(['~', '-'])}{self.number(width, depth + 1)})"

    def part(self, width, depth):
        return f"({self.random.choice(PARTS[width])})"

    def function(self, width, depth):
        return f"limited({self.random.choice(['v8', 'hdr.a.x', 'm.t'])}, {self.number(16, depth + 1)})"

    def condition(self, depth):
        kind = self.random.choice(["simple"] if depth > 2 else ["simple", "compare", "compare", "join", "not", "apply"])
        match kind:
            case "compare":
                width = self.random.choice(WIDTHS)
                operator = self.random.choice(["==", "!=", "<", ">", "<=", ">="])
                return f"({self.number(width, depth + 1)} {operator} {self.number(width, depth + 1)})"
            case "join":
                return f"({self.condition(depth + 1)} {self.random.choice(['&&', '||'])} {self.condition(depth + 1)})"
            case "not":
                return f"(!{self.condition(depth + 1)})"
            case "apply":
                table = self.random.choice(["exact_one", "ranges", "prefixes"])
                return f"{table}.apply().{self.random.choice(['hit', 'miss'])}"
            case _:
                return f"({self.random.choice(CONDITIONS)})"
