"""Packets that are cut or spoilt: the kernel does with them what the interpreter does, and nothing worse.

The packets and entries are those of the teaching programs' own tests.
"""

from functools import cache
from pathlib import Path
from random import Random

import pytest
from reference_switch import ReferenceSwitch

from dataplane.compiler.compiled import compile_program
from dataplane.target import stf, stf_run
from dataplane.target.emulation import EmulatedSwitch

pytestmark = pytest.mark.p4

PROGRAMS = Path(__file__).parent / "programs"
TESTS = sorted(test for test in PROGRAMS.glob("*.stf") if "-" not in test.stem)
MUTATED_PACKETS = 100_000
"""In all."""
COMPARED = 20
"""One of so many is interpreted, too; all where packets change what happens to later ones."""
LONGEST = 1514


@cache
def compiled(name):
    return compile_program(PROGRAMS / f"{name}.p4")


def prepared(switch, commands):
    """A switch with a test's entries; its packets do not come in. What has a time of its own is left out."""
    kept = (stf.Packet, stf.Expect, stf.CheckCounter, stf.ReadRegister, stf.SetRates, stf.Remove)
    stf_run.run(switch, [command for command in commands if not isinstance(command, kept)])
    return switch


def pair(test):
    """The program in the kernel and in the interpreter, and the packets of its test."""
    commands = stf.read(test)
    program = compiled(test.stem)
    kernel = prepared(EmulatedSwitch(program.bundle), commands)
    reference = prepared(ReferenceSwitch(program.program), commands)
    packets = {(each.port, each.data): None for each in commands if isinstance(each, stf.Packet) and each.data}
    return kernel, reference, list(packets)


def agree(kernel, reference, port, packet):
    found, expected = kernel.packet(port, packet), reference.packet(port, packet)
    assert found == expected, f"port {port}, packet {packet.hex()}"


@pytest.mark.parametrize("test", TESTS, ids=lambda path: path.stem)
def test_a_packet_may_end_anywhere(test):
    kernel, reference, packets = pair(test)
    with kernel:
        lengths = {(port, packet[:length]) for port, packet in packets for length in range(min(len(packet), 120) + 1)}
        for port, packet in sorted(lengths):
            agree(kernel, reference, port, packet)


@pytest.mark.parametrize("test", TESTS, ids=lambda path: path.stem)
def test_any_bytes_may_be_any_others(test):
    kernel, reference, packets = pair(test)
    random = Random(test.stem)
    step = 1 if compiled(test.stem).program.registers else COMPARED
    with kernel:
        for number in range(-(-MUTATED_PACKETS // len(TESTS))):
            port, packet = random.choice(packets)
            spoilt = mutated(packet, random)
            if number % step:
                kernel.packet(port, spoilt)
            else:
                agree(kernel, reference, port, spoilt)


def mutated(packet, random):
    """A packet with bytes and bits changed, cut, put in or repeated; some are random throughout."""
    if not random.randrange(20):
        return random.randbytes(random.randrange(LONGEST + 1))
    data = bytearray(packet)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0:
                del data[place:]
            case 1:
                data[place:place] = random.randbytes(random.randint(1, 40))
            case 2 if place < len(data):
                data[place] ^= 1 << random.randrange(8)
            case 3 if place < len(data):
                data[place] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)])
            case 4:
                data[place : place + random.randint(1, 8)] = b""
            case 5:
                data += data[:place]
    return bytes(data[:LONGEST])
