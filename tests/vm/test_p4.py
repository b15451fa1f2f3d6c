"""P4 on Debian's kernel: its verifier takes the programs, and the switch does there what it does here."""

import pytest
from conftest import Guest

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1500)]


def run_tests(guest: Guest, *arguments: str) -> None:
    command = [".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "300", *arguments]
    done = guest.run(command, 1200)
    assert done.status == 0, done.output[-3000:] + done.errors[-1000:]
    assert " passed" in done.output and "skipped" not in done.output


def test_programs_are_taken_by_the_verifier_and_do_what_their_tests_say(guest: Guest) -> None:
    run_tests(guest, "tests/p4/test_programs.py")


def test_a_switch_forwards_by_what_a_controller_writes(guest: Guest) -> None:
    wanted = "next_packet or vlan or mixed_kinds or clone or learned or swapped or multicast or comes_back"
    run_tests(guest, "tests/p4/test_p4_switch.py", "-k", wanted)
