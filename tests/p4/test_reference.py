"""The teaching programs on the interpreter: what it says of them is what their tests expect."""

from pathlib import Path

import pytest
from reference_switch import ReferenceSwitch

from dataplane.compiler.lowering import lower
from dataplane.compiler.parser import parse_file
from dataplane.target import stf, stf_run

PROGRAMS = Path(__file__).parent / "programs"
OTHERWISE = {"live"}
"""Programs that the tests of the switch itself run."""
TESTS = sorted(PROGRAMS.glob("*.stf"))


def source(test):
    """`basic-routes.stf` tests `basic.p4`."""
    return PROGRAMS / f"{test.stem.partition('-')[0]}.p4"


def test_every_program_has_a_test():
    assert {path.stem for path in PROGRAMS.glob("*.p4")} == {source(test).stem for test in TESTS} | OTHERWISE


@pytest.mark.parametrize("test", TESTS, ids=lambda path: path.stem)
def test_a_program_does_in_the_interpreter_what_its_test_says(test):
    program = lower(parse_file(source(test)), source(test).stem)
    failures = stf_run.run(ReferenceSwitch(program), stf.read(test))
    assert not failures, "\n".join(map(str, failures))
