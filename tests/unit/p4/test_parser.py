"""Tokens to the syntax tree: what each rule gives, and how what does not fit is refused."""

from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataplane.compiler import syntax
from dataplane.compiler.errors import CompileError
from dataplane.compiler.parser import parse_file, parse_text
from dataplane.compiler.preprocess import LIBRARY

PROGRAMS = Path(__file__).parents[3] / "dataplane" / "programs"


def declaration(text, kind):
    """The last declaration of a text."""
    found = parse_text(text, "a.p4").declarations[-1]
    assert isinstance(found, kind)
    return found


def statement(text, before=""):
    """The one statement of a control."""
    control = declaration(f"{before} control Within() {{ apply {{ {text} }} }}", syntax.ControlDeclaration)
    (found,) = control.apply.statements
    return found


def expression(text, before=""):
    return statement(f"x = {text};", before).value


def shown(node):
    """An expression with all its parentheses."""
    match node:
        case syntax.Binary(_, operator, left, right):
            return f"({shown(left)} {operator.value} {shown(right)})"
        case syntax.Unary(_, operator, operand):
            return f"({operator.value}{shown(operand)})"
        case syntax.Conditional(_, condition, then, otherwise):
            return f"({shown(condition)} ? {shown(then)} : {shown(otherwise)})"
        case syntax.Cast(_, target, operand):
            return f"<{type(target).__name__}>{shown(operand)}"
        case syntax.Member(_, base, member):
            return f"{shown(base)}.{member}"
        case syntax.Index(_, base, index):
            return f"{shown(base)}[{shown(index)}]"
        case syntax.Slice(_, base, high, low):
            return f"{shown(base)}[{shown(high)}:{shown(low)}]"
        case syntax.Call(_, function, types, arguments):
            generic = f"<{len(types)}>" if types else ""
            return f"{shown(function)}{generic}({', '.join(shown(argument.value) for argument in arguments)})"
        case syntax.TypeName(_, target):
            return f"type {target.name}"
        case syntax.Name(_, name):
            return name
        case syntax.Integer(_, value):
            return str(value)
        case _:
            return type(node).__name__


def failure(text):
    with pytest.raises(CompileError) as caught:
        parse_text(text, "a.p4")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("a & b == c | d ^ e", "((a & b) == (c | (d ^ e)))"),
        ("a << 1 + b < c", "((a << (1 + b)) < c)"),
        ("a >> b >> c", "((a >> b) >> c)"),
        ("a ++ b + c", "((a ++ b) + c)"),
        ("a |+| b |-| c", "((a |+| b) |-| c)"),
        ("a || b && c == d", "(a || (b && (c == d)))"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("!a.b[3][7:0]", "(!a.b[3][7:0])"),
        ("-a * ~b", "((-a) * (~b))"),
        ("(bit<8>) a + b", "(<BitsType>a + b)"),
        ("(bit<8>) (bit<16>) -a", "<BitsType><BitsType>(-a)"),
        ("(a) - b", "(a - b)"),
        ("a < b && c > (d)", "((a < b) && (c > d))"),
        ("p.lookahead<bit<8>>() + f<bit<8>, bool>(1)", "(p.lookahead<1>() + f<2>(1))"),
        ("t.apply().hit", "t.apply().hit"),
    ],
)
def test_operators_bind_as_the_specification_says(text, tree):
    assert shown(expression(text)) == tree


def test_a_name_in_parentheses_is_a_cast_where_it_is_a_type():
    assert shown(expression("(T) - b", before="typedef bit<8> T;")) == "<NamedType>(-b)"
    assert shown(expression("(E.A)", before="enum E { A }")) == "type E.A"


def test_a_variable_may_hide_a_type_within_its_block():
    control = declaration(
        "typedef bit<8> T; control c(in bit<8> T) { apply { x = (T) - b; } }", syntax.ControlDeclaration
    )
    assert shown(control.apply.statements[0].value) == "(T - b)"


def test_what_a_block_declares_is_forgotten_behind_it():
    block = declaration(
        "typedef bit<8> T; control c() { apply { { bit<8> T; x = (T) - b; } x = (T) - b; } }", syntax.ControlDeclaration
    ).apply
    assert shown(block.statements[0].statements[1].value) == "(T - b)"
    assert shown(block.statements[1].value) == "<NamedType>(-b)"


def test_two_closing_angles_close_two_types_or_shift():
    variable = statement("tuple<bit<8>, list<bit<8>>> x;")
    assert isinstance(variable.type, syntax.TupleType) and isinstance(variable.type.elements[1], syntax.ListType)
    assert shown(expression("a >> b")) == "(a >> b)"
    assert "expected an expression" in failure("control c() { apply { x = a > > b; } }")


def test_assignments_take_an_operator():
    found = [statement(f"x {operator} 1;").operator for operator in ("=", "+=", "|-|=", "<<=", ">>=", "&=")]
    assert [each and each.value for each in found] == [None, "+", "|-|", "<<", ">>", "&"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("exit;", syntax.Exit),
        ("return;", syntax.Return),
        ("return 1 + 2;", syntax.Return),
        (";", syntax.Empty),
        ("if (a) x = 1; else if (b) x = 2; else { }", syntax.If),
        ("switch (t.apply().action_run) { a: b: { } default: { } }", syntax.Switch),
        ("for (bit<8> i = 0, x = 1; i < 3; i += 1, f()) { break; }", syntax.For),
        ("for (bit<8> i in 1..5) { continue; }", syntax.ForIn),
        ("f(_, b = 2);", syntax.CallStatement),
        ("const bit<8> x = 3;", syntax.ConstantDeclaration),
        ("bit<8> x = 3;", syntax.VariableDeclaration),
        ("unknown x;", syntax.VariableDeclaration),
        ("@atomic { }", syntax.Block),
    ],
)
def test_every_statement_has_its_node(text, kind):
    assert isinstance(statement(text), kind)


def test_a_type_that_is_applied_is_a_call_and_one_with_a_name_behind_an_instance():
    before = "control s(inout bit<8> x) { apply { } } extern e<T> { e(); void f(); }"
    assert isinstance(statement("s.apply(x);", before), syntax.CallStatement)
    assert isinstance(statement("s() i;", before), syntax.Instantiation)
    assert isinstance(statement("e<bit<8>>() i;", before), syntax.Instantiation)
    assert isinstance(statement("e<bit<8>>.f();", before), syntax.CallStatement)


def test_lists_records_and_the_default_value_are_told_apart():
    assert expression("{ 1, 2, }").elements == (syntax.Integer(None, 1), syntax.Integer(None, 2))
    assert expression("{ a = 1, ... }").dots
    assert expression("{ 1, ... }") == syntax.List(None, (syntax.Integer(None, 1),), dots=True)
    assert isinstance(expression("{#}"), syntax.InvalidHeader)
    assert isinstance(expression("..."), syntax.Dots)


def test_keysets_of_a_select_are_values_masks_ranges_and_lists_of_them():
    parser = declaration(
        """parser p() { state start { transition select(a, b) {
            (1, 2 &&& 3): one; (1 .. 5, _): two; (A + 1) * 2: three; (default, 8w3): four; default: accept; } } }""",
        syntax.ParserDeclaration,
    )
    cases = parser.states[0].transition.cases
    kinds = [[type(each).__name__ for each in case.keyset] for case in cases]
    assert kinds == [["Integer", "Mask"], ["Range", "Default"], ["Binary"], ["Default", "Integer"], ["Default"]]
    assert [str(case.state) for case in cases] == ["one", "two", "three", "four", "accept"]


def test_a_table_has_keys_actions_entries_and_other_properties():
    control = declaration(
        """control c() { @name("T") table t {
            key = { h.a : exact @name("k"); h.b[3:0] : lpm; }
            actions = { a; @defaultonly b(x); .NoAction; }
            const entries = { (1, 2) : a(3); const priority = 10 : (_, 3 &&& 4) : b() @hot; }
            const default_action = b(1);
            size = 16; implementation = action_profile(4);
        } apply { } }""",
        syntax.ControlDeclaration,
    )
    (table,) = control.locals
    assert [key.kind.text for key in table.keys] == ["exact", "lpm"]
    assert table.keys[0].annotations[0].text == "k" and table.annotations[0].text == "T"
    assert [(each.action.name, each.action.absolute) for each in table.actions] == [
        *(("a", False), ("b", False), ("NoAction", True))
    ]
    assert table.constant_entries and table.entries[1].constant and table.entries[1].priority.value == 10
    assert [(str(each.name), each.constant) for each in table.properties] == [
        *(("default_action", True), ("size", False), ("implementation", False))
    ]


def test_annotations_keep_their_text_and_structured_ones_their_values():
    header = declaration(
        """@id(0x02 , 3) @name("a.b") @empty @list[1, "x"] @pairs[a=1, b=2]
        @pragma old style
        header h { @format(IPV4(x)) bit<8> f; }""",
        syntax.HeaderDeclaration,
    )
    assert [(each.name, each.text) for each in header.annotations] == [
        *(("id", "0x02 , 3"), ("name", "a.b"), ("empty", None), ("list", None), ("pairs", None), ("old", "style"))
    ]
    assert len(header.annotations[3].expressions) == 2
    assert [str(name) for name, _ in header.annotations[4].pairs] == ["a", "b"]
    assert header.fields[0].annotations[0].text == "IPV4 ( x )"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("header h<T> { T x; varbit<320> o; }", syntax.HeaderDeclaration),
        ("header_union u { h a; }", syntax.HeaderUnionDeclaration),
        ("struct s { h[4] stack; tuple<bit<8>, int> t; }", syntax.StructDeclaration),
        ("enum E { A, B, }", syntax.EnumDeclaration),
        ("enum bit<8> E { A = 1, B = 8w2 }", syntax.EnumDeclaration),
        ("error { A, B }", syntax.ErrorDeclaration),
        ("match_kind { exact }", syntax.MatchKindDeclaration),
        ("typedef bit<(4 * 2)> T;", syntax.TypedefDeclaration),
        ("type bit<9> port_t;", syntax.TypedefDeclaration),
        ("extern void f<T>(in T x, @optional in bit<8> y);", syntax.ExternFunctionDeclaration),
        ("extern E<T> { E(bit<8> x); T f(in T x); abstract void g(); }", syntax.ExternDeclaration),
        ("package P<H>(C<H> c, bit<8> x = 3);", syntax.PackageDeclaration),
        ("parser P<H>(packet_in p, out H h);", syntax.ParserTypeDeclaration),
        ("control C<H>(inout H h);", syntax.ControlTypeDeclaration),
        ("parser P()(bit<8> n) { value_set<bit<8>>(4) v; state start { } }", syntax.ParserDeclaration),
        ("bit<8> f(in bit<8> x) { return x; }", syntax.FunctionDeclaration),
        ("action a(in bit<8> x, bit<8> y) { }", syntax.ActionDeclaration),
        ("P(C(), 1) main;", syntax.Instantiation),
        ("const bit<8> X = 1;", syntax.ConstantDeclaration),
    ],
)
def test_every_declaration_has_its_node(text, kind):
    assert isinstance(declaration(text, kind), kind)


@pytest.mark.parametrize("word", ["apply", "key", "actions", "state", "entries", "type", "priority", "list"])
def test_some_keywords_are_names_too(word):
    header = declaration(f"header h {{ bit<8> {word}; }}", syntax.HeaderDeclaration)
    assert str(header.fields[0].name) == word
    assert shown(expression(f"h.{word} + {word}")) == f"(h.{word} + {word})"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("header x { bit<8 y; }", 'a.p4:1:18: found "y", expected ">"'),
        ("header x { bit<W> y; }", 'a.p4:1:16: found "W", expected a width: a number, or an expression in parentheses'),
        ("header x { bit<8> control; }", "a.p4:1:19: found keyword \"control\", expected the field's name"),
        ("control c() { apply { x = ; } }", 'a.p4:1:27: found ";", expected an expression'),
        ("control c() {\n apply {\n x = 1 }", 'a.p4:3:8: found "}", expected ";"'),
        ("control c() { apply { x; } }", 'a.p4:1:24: found ";", expected "=" or "(": a statement is an assignment or a '
         "call"),
        ("control c() { apply { ", 'a.p4:1:23: found the end of the file, expected a statement or "}"'),
        ("control c() { apply { } action a() { } }",
         "a.p4:1:25: found \"action\", expected \"}\": nothing stands behind a control's apply"),
        ("control c() { state s { } }", 'a.p4:1:15: found "state", expected an action, a table, a constant, a '
         'variable, an instance or "apply"'),
        ("parser p() { state start { transition select(x) { (a, +): y; } } }",
         'a.p4:1:56: found ")", expected an expression'),
        ("parser p() { state start { transition select(x) { 1: y } } }", 'a.p4:1:56: found "}", expected ";"'),
        ("control c() { table t { key = { a : exact } } apply { } }", 'a.p4:1:43: found "}", expected ";"'),
        ("control c() { table t { size = 1; key = { } key = { } } apply { } }", "a.p4:1:45: found a second key of "
         "table t"),
        ("foo", 'a.p4:1:1: found "foo", expected a declaration'),
        ("@id(1", 'a.p4:1:4: found an annotation without its end, expected ")"'),
        ("const bit<8> x = 8w;", "a.p4:1:18: found 8w, expected an integer such as 10, 0xff, 0b101, 8w255 or 8s5"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_where_it_stands_with_what_would(text, message):
    assert failure(text) == message


@pytest.mark.parametrize("opening", ["(", "{", "-", "(bit<8>)", "f(", "x ? "])
def test_nesting_without_end_is_refused(opening):
    assert "nested too deeply" in failure("control c() { apply { x = " + opening * 5000 + " } }")


def test_the_library_s_own_files_parse():
    assert len(parse_file(LIBRARY / "v1model.p4").declarations) > 40
    assert parse_file(LIBRARY / "v1model.p4", {"V1MODEL_VERSION": "20200408"})


def positions(node):
    """Every position of a tree."""
    if isinstance(node, tuple):
        for each in node:
            yield from positions(each)
    elif is_dataclass(node):
        if isinstance(node, syntax.Node):
            yield node.position
        for each in fields(node):
            yield from positions(getattr(node, each.name))


def test_every_node_of_a_real_program_has_its_place():
    tree = parse_file(PROGRAMS / "edge.p4")
    found = list(positions(tree))
    assert len(found) > 3000
    assert all(place.file.endswith(".p4") and place.line >= 1 and place.column >= 1 for place in found)


WORDS = """header h { } ( ) bit < > 8 ; x = control apply parser state start transition select : , default _ &&& table
key actions @ name [ ] . + - if else switch return extern typedef T action ? error "s" for in .. ... {#} value_set
package const entries priority enum struct"""
FRAGMENTS = st.lists(st.sampled_from(WORDS.split()), max_size=60)


@settings(max_examples=300)
@given(FRAGMENTS)
@example(["control", "x", "(", ")", "{", "apply", "{"])
def test_any_order_of_tokens_gives_a_tree_or_a_compile_error(words):
    try:
        found = parse_text(" ".join(words), "a.p4")
    except CompileError as error:
        assert error.position.file == "a.p4"
    else:
        assert isinstance(found, syntax.Program)


@settings(max_examples=200)
@given(st.data())
def test_a_program_with_a_piece_changed_gives_a_tree_or_a_compile_error(data):
    text = (PROGRAMS / "parser.p4").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    piece = data.draw(st.one_of(st.just(""), st.text(max_size=8), st.sampled_from(["}", "{", "(", ";", "bit<", "@"])))
    try:
        found = parse_text(text[:start] + piece + text[end:], "a.p4")
    except CompileError as error:
        assert error.position.line >= 1
    else:
        assert isinstance(found, syntax.Program)
