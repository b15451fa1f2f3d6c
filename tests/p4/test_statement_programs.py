"""Random programs do in the kernel what the interpreter of the lowered form says."""

import pytest
from reference_switch import ReferenceSwitch
from statement_programs import Writer

from dataplane.compiler.compiled import compile_lowered
from dataplane.compiler.lowering import lower
from dataplane.compiler.parser import parse_text
from dataplane.target.emulation import EmulatedSwitch

pytestmark = pytest.mark.p4

PACKETS = 40
"""For each program."""


@pytest.mark.parametrize("seed", range(12))
def test_a_random_program_does_in_the_kernel_what_the_reference_does(seed):
    writer = Writer(seed)
    text = writer.program()
    program = lower(parse_text(text, f"random{seed}.p4"), f"random{seed}")
    reference = ReferenceSwitch(program)
    with EmulatedSwitch(compile_lowered(program).bundle) as switch:
        for _ in range(PACKETS):
            packet = writer.packet()
            assert switch.packet(1, packet) == reference.packet(1, packet), f"{packet.hex()} in\n{text}"
