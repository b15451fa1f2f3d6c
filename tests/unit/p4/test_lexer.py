"""Text to tokens: kinds, places, literals, and what is no token at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.compiler.errors import CompileError, Position
from dataplane.compiler.lexer import DIRECTIVE, Lexer, Token, read_integer, read_string


def kinds(text):
    return [token.kind for token in Lexer(text, "a.p4").tokens()]


def texts(text):
    return [token.text for token in Lexer(text, "a.p4").tokens()]


def literal(text):
    return Token("integer", text, Position("a.p4", 1, 1))


def test_names_numbers_strings_keywords_and_symbols_have_their_kinds():
    assert kinds('header h { bit<8> x; } "a" 0x1F') == [
        *("header", "identifier", "{", "bit", "<", "integer", ">", "identifier", ";", "}"),
        *("string", "integer"),
    ]


def test_the_longest_symbol_wins_but_for_two_closing_angles():
    assert texts("a |+|= b |-| c &&& d && e & f ++ g ... h .. i << j >> k {#}") == [
        *("a", "|+|=", "b", "|-|", "c", "&&&", "d", "&&", "e", "&", "f", "++", "g", "...", "h", "..", "i", "<<", "j"),
        *(">", ">", "k", "{#}"),
    ]


def test_a_place_counts_lines_and_columns_through_comments_and_continued_lines():
    text = "a /* one\n two */ b // three\n\n  c \\\n d"
    places = [(token.text, token.position.line, token.position.column) for token in Lexer(text, "a.p4").tokens()]
    assert places == [("a", 1, 1), ("b", 2, 9), ("c", 4, 3), ("d", 5, 2)]


def test_a_directive_is_one_token_with_its_continued_lines():
    tokens = list(Lexer("x\n  #define A \\\n 1 /* of\n two lines */ 2\ny", "a.p4").tokens())
    assert [token.kind for token in tokens] == ["identifier", DIRECTIVE, "identifier"]
    assert tokens[2].position == Position("a.p4", 5, 1)


def test_skipping_finds_the_next_directive_whatever_stands_before_it():
    lexer = Lexer("don't 'read\" this /* #if\n */ \n #endif\nx", "a.p4")
    token = lexer.skip()
    assert token.text.strip() == "#endif" and token.position.line == 3
    assert [token.text for token in lexer.tokens()] == ["x"]


@pytest.mark.parametrize(
    ("text", "value", "width", "signed"),
    [
        ("10", 10, None, False),
        ("1_000", 1000, None, False),
        ("0x1F", 31, None, False),
        ("0b1010", 10, None, False),
        ("0o17", 15, None, False),
        ("0d19", 19, None, False),
        ("8w255", 255, 8, False),
        ("8w0xFF", 255, 8, False),
        ("4s0b0111", 7, 4, True),
    ],
)
def test_integers_have_a_value_and_where_written_a_width(text, value, width, signed):
    assert read_integer(literal(text)) == (value, width, signed)


@pytest.mark.parametrize("text", ["0x", "0b2", "8w", "12ab", "8u3", "0x_", "9" * 3000])
def test_what_only_starts_like_an_integer_is_refused_at_its_place(text):
    with pytest.raises(CompileError, match=r"^a.p4:1:1: found .*, expected an integer such as"):
        read_integer(literal(text))


def test_escapes_in_strings_are_resolved():
    assert read_string(Token("string", r'"a\"b\\c\n"', Position("a.p4", 1, 1))) == 'a"b\\c\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n  $", r"a.p4:2:3: found character '\$'"),
        ('x "abc\n', r"a.p4:1:3: found a string without its end"),
        ("x /* y", r"a.p4:1:3: found a comment without its end"),
    ],
)
def test_what_is_no_token_is_refused_at_its_place(text, message):
    with pytest.raises(CompileError, match=message):
        kinds(text)


@given(st.text())
def test_any_text_gives_tokens_or_a_compile_error(text):
    try:
        found = texts(text)
    except CompileError:
        return
    assert all(part in text for part in found)
