"""The teaching programs in the kernel: packet for packet what their STF tests say."""

from functools import cache
from pathlib import Path

import pytest

from dataplane.compiler.compiled import compile_program
from dataplane.target import stf, stf_run
from dataplane.target.emulation import EmulatedSwitch

pytestmark = pytest.mark.p4

PROGRAMS = Path(__file__).parent / "programs"
TESTS = sorted(PROGRAMS.glob("*.stf"))


@cache
def compiled(name):
    return compile_program(PROGRAMS / f"{name}.p4")


@pytest.mark.parametrize("test", TESTS, ids=lambda path: path.stem)
def test_a_program_does_in_the_kernel_what_its_test_says(test):
    with EmulatedSwitch(compiled(test.stem.partition("-")[0]).bundle) as switch:
        failures = stf_run.run(switch, stf.read(test))
    assert not failures, "\n".join(map(str, failures))
