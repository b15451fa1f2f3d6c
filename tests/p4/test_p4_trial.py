"""Objects that are broken: none of them ends the switch."""

import random

import pytest
from live_rig import PROGRAMS

from dataplane.compiler.compiled import compile_program
from dataplane.target.trial import try_out
from meclab.errors import InputError

pytestmark = [pytest.mark.p4, pytest.mark.net]


@pytest.fixture(scope="module")
def whole():
    return compile_program(PROGRAMS / "live.p4").object


def test_a_whole_object_passes(whole):
    try_out(whole)


@pytest.mark.parametrize("seed", range(8))
def test_a_broken_object_is_refused_or_survived(whole, seed):
    chance = random.Random(seed)
    broken = bytearray(whole)
    for _ in range(20):
        broken[chance.randrange(len(broken))] = chance.randrange(256)
    try:
        try_out(bytes(broken))
    except InputError as error:
        assert "found an object that is broken" in str(error)
