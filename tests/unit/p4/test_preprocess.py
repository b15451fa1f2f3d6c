"""The preprocessor: inclusion, macros, conditions, and where everything is from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.preprocess import preprocess, preprocess_text
from meclab.errors import InputError


def texts(text, **defines):
    return [token.text for token in preprocess_text(text, "a.p4", defines)[:-1]]


def failure(text):
    with pytest.raises(CompileError) as caught:
        preprocess_text(text, "a.p4")
    return str(caught.value)


def test_a_macro_is_replaced_from_its_definition_to_its_end():
    assert texts("A\n#define A 1 + B\n#define B 2\nA\n#undef A\nA") == ["A", "1", "+", "2", "A"]


def test_a_macro_with_parameters_takes_arguments_with_parentheses_and_commas_inside():
    assert texts("#define F(a, b) b - a\nF((1, 2), g(3, 4)) F") == list("g(3,4)-(1,2)F")


def test_a_macro_does_not_expand_within_itself():
    assert texts("#define A B + A\n#define B A\nA B") == ["A", "+", "A", "B", "+", "A"]


def test_names_are_pasted_and_arguments_made_strings():
    assert texts("#define F(a, b) a##_##b #a\nF(x, 1)") == ["x_1", '"x"']


def test_what_a_macro_brings_has_the_place_where_it_is_used():
    tokens = preprocess_text("#define A 1 + 2\n\n   A x", "a.p4")
    assert [token.position for token in tokens[:4]] == [Position("a.p4", 3, 4)] * 3 + [Position("a.p4", 3, 6)]


def test_a_macro_s_argument_keeps_its_own_place():
    tokens = preprocess_text("#define F(a) (a)\nF(  x)", "a.p4")
    assert [(token.text, token.position.column) for token in tokens[:3]] == [("(", 1), ("x", 5), (")", 1)]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("1", True),
        ("0", False),
        ("UNKNOWN", False),
        ("defined(A) && !defined B", True),
        ("A == 3 && A * 2 + 1 == 7", True),
        ("(1 << 4) - 1 == 15 || 1 / 0", None),
        ("-7 / 2 == -3 && -7 % 2 == -1", True),
        ("A > 2 ? 0 : 1", False),
        ("256 >> 4 == 16 && 5 >= 5 && 0x10 <= 16 && ~0 == -1", True),
    ],
)
def test_an_if_reads_what_its_expression_says(condition, holds):
    text = f"#if {condition}\nyes\n#else\nno\n#endif"
    if holds is None:
        with pytest.raises(CompileError, match="division by zero"):
            texts(text, A="3")
    else:
        assert texts(text, A="3") == ["yes" if holds else "no"]


def test_of_a_chain_of_branches_the_first_that_holds_is_read():
    chain = "#if X == 1\none\n#elif X == 2\ntwo\n#elif X <= 3\nthree\n#else\nmany\n#endif"
    assert [texts(chain, X=value) for value in "1234"] == [["one"], ["two"], ["three"], ["many"]]


def test_what_is_left_out_need_not_be_p4_and_its_conditions_are_not_evaluated():
    assert texts("#if 0\ndon't $ \"\n#if 1/0\n#error no\n#else\n#endif\n#elif 1\nx\n#elif 1/0\n#endif") == ["x"]


def test_ifdef_and_ifndef_ask_for_the_name_alone():
    assert texts("#ifdef A\na\n#endif\n#ifndef A\nb\n#endif", A="") == ["a"]


def test_a_file_is_looked_for_beside_the_one_that_includes_it_then_in_the_folders_then_in_the_library(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "main.p4").write_text('#include "sub/a.p4"\n#include <b.p4>\n#include <core.p4>\nmain')
    (tmp_path / "sub" / "a.p4").write_text('#include "c.p4"\na')
    (tmp_path / "sub" / "c.p4").write_text("\n  c")
    (tmp_path / "other" / "b.p4").write_text("b")
    tokens = preprocess(tmp_path / "main.p4", {}, [tmp_path / "other"])
    assert [token.text for token in tokens[:3]] == ["c", "a", "b"]
    assert tokens[0].position == Position(str(tmp_path / "sub" / "c.p4"), 2, 3)
    assert tokens[-2].text == "main" and any(token.text == "packet_in" for token in tokens)


def test_a_file_that_is_not_there_is_said_where_it_is_included():
    assert failure('x\n  #include "no.p4"').startswith("a.p4:2:3: found no file no.p4; looked in ")


def test_a_file_that_includes_itself_is_refused(tmp_path):
    (tmp_path / "a.p4").write_text('#include "a.p4"\n')
    with pytest.raises(CompileError, match=r"does a\.p4 include itself"):
        preprocess(tmp_path / "a.p4")


def test_a_program_that_is_not_there_is_the_user_s_mistake(tmp_path):
    with pytest.raises(InputError, match=r"x.p4: No such file"):
        preprocess(tmp_path / "x.p4")


def test_a_program_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "a.p4").write_bytes(b"header \xff")
    with pytest.raises(CompileError, match="found byte 0xff at 7, expected text in UTF-8"):
        preprocess(tmp_path / "a.p4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n#error no such target", "a.p4:2:1: #error no such target"),
        ("#if 1\nx", "a.p4:1:1: found #if without its end, expected #endif"),
        ("x\n#endif", "a.p4:2:1: found #endif, expected #if before it"),
        ("#if 1\n#else\n#elif 1\n#endif", "a.p4:3:1: found #elif behind #else, expected #endif"),
        ("#if 1 +\n#endif", "a.p4:1:1: found the end of the line, expected a value"),
        ("#if (1\n#endif", 'a.p4:1:1: found the end of the line, expected ")"'),
        ("#if 1 2\n#endif", 'a.p4:1:7: found "2", expected an operator or the end of the line'),
        ("#if defined\n#endif", "a.p4:1:1: found defined without a name, expected defined(NAME)"),
        ("#define", "a.p4:1:1: found #define without a name, expected #define NAME value"),
        ("#define F(a) a\nF(1, 2)", "a.p4:2:1: found 2 arguments, expected 1 as in F(a)"),
        ("#define F(a) a\n F(1", "a.p4:2:2: found the end of the file in the arguments of F, expected )"),
        ("#include core", 'a.p4:1:1: found #include without a file, expected #include "file" or #include <file>'),
        (
            "  #defin A",
            "a.p4:1:3: found #defin, expected #include, #define, #undef, #if, #ifdef, #ifndef, #elif, #else, #endif, "
            "#error or #pragma",
        ),
    ],
)
def test_a_directive_that_is_wrong_is_refused_at_its_place(text, message):
    assert failure(text) == message


DIRECTIVES = (
    "#if A",
    "#if B +",
    "#ifdef A",
    "#else",
    "#elif 1",
    "#endif",
    "#define A B",
    "#define B(x) x A",
    "#undef A",
)
OTHERS = ("A", "B(1)", "B(", "B(A, 2)", "x ## y", "/*", "*/", '"', "#define C #x", "#")
LINES = st.lists(st.sampled_from((*DIRECTIVES, *OTHERS)))


@given(LINES)
def test_any_order_of_directives_gives_tokens_or_a_compile_error(lines):
    try:
        tokens = preprocess_text("\n".join(lines), "a.p4")
    except CompileError as error:
        assert error.position.file == "a.p4"
    else:
        assert tokens[-1].kind == "end"
