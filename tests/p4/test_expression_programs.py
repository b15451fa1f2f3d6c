"""Random expressions: in the kernel, and in the interpreter of the lowered form, they have the value that they have by
Python's own arithmetic."""

from random import Random

import pytest
from expression_programs import programs, values
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reference import Reference

from dataplane.compiler.compiled import compile_lowered
from dataplane.compiler.lowering import lower
from dataplane.compiler.parser import parse_text
from dataplane.target.harness import Harness

PACKETS = 20
"""For each program."""
GENERATED = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
"""The same programs each time, and not made smaller when one fails: each takes a run of the C compiler."""


def lowered_form(program):
    return lower(parse_text(program.text, "expressions.p4"), "expressions")


def questions(program, random):
    """Packets with inputs, and what has to come back."""
    for _ in range(PACKETS):
        given_values = values(program, random)
        yield program.packet(given_values), [(1, program.answer(given_values))], given_values


@GENERATED
@given(programs(30), st.integers(0, 1 << 32))
def test_an_expression_has_in_the_interpreter_the_value_of_its_arithmetic(program, seed):
    reference = Reference(lowered_form(program))
    for packet, answer, given_values in questions(program, Random(seed)):
        assert reference.packet(0, packet) == answer, f"{given_values} in\n{program.text}"


@pytest.mark.p4
@GENERATED
@given(programs(30), st.integers(0, 1 << 32))
def test_an_expression_has_in_the_kernel_the_value_of_its_arithmetic(program, seed):
    with Harness(compile_lowered(lowered_form(program))) as harness:
        for packet, answer, given_values in questions(program, Random(seed)):
            assert harness.send(0, packet) == answer, f"{given_values} in\n{program.text}"
