"""Which choices follow from what a machine has."""

import dataclasses

import pytest

from meclab.errors import SetupError
from topologies import machine

FULL = machine.Machine(
    root=True,
    debian="12",
    kernel="6.1.0",
    cores=2,
    memory_bytes=2**31,
    clock_source="tsc",
    namespaces=True,
    tun=True,
    netem=True,
    ovs_kernel=True,
    bpf=True,
    realtime=True,
    missing=(),
)
BARE = dataclasses.replace(FULL, netem=False, ovs_kernel=False)


@pytest.mark.parametrize(
    ("found", "asked", "chosen"),
    [
        (FULL, "auto", ("netem", "kernel")),
        (FULL, "wire", ("wire", "kernel")),
        (FULL, "netem", ("netem", "kernel")),
        (BARE, "auto", ("wire", "user")),
        (BARE, "wire", ("wire", "user")),
    ],
)
def test_the_kernel_s_own_is_taken_where_it_has_it(found, asked, chosen):
    assert machine.choices(found, asked) == chosen


def test_netem_asked_for_without_netem_names_both_remedies():
    with pytest.raises(SetupError, match=r"no netem.*--links wire.*apt-get install") as error:
        machine.choices(BARE, "netem")
    assert error.value.exit_status == 3


@pytest.mark.parametrize(
    ("lack", "said"),
    [
        ({"root": False}, "sudo"),
        ({"tun": False}, "modprobe tun"),
        ({"namespaces": False}, "--privileged"),
        ({"missing": ("dumpcap", "mergecap", "irtt")}, "apt-get install irtt wireshark-common"),
        ({"debian": None, "missing": ("dig",)}, "not Debian"),
    ],
)
def test_what_lacks_is_said_with_its_remedy(lack, said):
    with pytest.raises(SetupError) as error:
        machine.choices(dataclasses.replace(BARE, **lack), "auto")
    assert said in str(error.value)


def test_everything_that_lacks_is_said_at_once():
    with pytest.raises(SetupError) as error:
        machine.choices(dataclasses.replace(BARE, tun=False, missing=("dig",)), "netem")
    assert [word in str(error.value) for word in ("tun", "bind9-dnsutils", "netem")] == [True] * 3


def test_inspecting_says_nothing_where_nothing_may_be_tried():
    outcome = machine._in_child({"namespaces": _refuse, "tun": lambda: None})
    assert outcome == {"namespaces": False, "tun": False}


def test_a_trial_that_fails_does_not_keep_the_next_from_being_made():
    outcome = machine._in_child({"namespaces": lambda: None, "tun": _refuse, "netem": lambda: None})
    assert outcome == {"namespaces": True, "tun": False, "netem": True}


def _refuse():
    raise PermissionError
