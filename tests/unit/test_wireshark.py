"""The Wireshark profile: filters by method, the same in profile and document, and tshark knows every field."""

import os
import struct
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from experiments import wireshark
from experiments.wireshark import FOLDER, PROFILE, PROFILE_FOLDER
from meclab.methods import VARIANTS
from meclab.packets import PROBE_BYTES, PROBE_PORT, Probe, probe_reply

DOCUMENT = FOLDER.parents[1] / "docs" / "wireshark.md"


def test_every_method_that_tells_somebody_something_has_filters_of_its_own() -> None:
    own = {one.method for one in wireshark.filters()} - {"all"}
    assert own == set(VARIANTS) - {"cloud", "sticky"}


def test_the_profile_offers_every_filter() -> None:
    """If not: write `wireshark.display_filters()` into the profile's `dfilters`."""
    assert (PROFILE_FOLDER / "dfilters").read_text() == wireshark.display_filters()


def test_the_document_explains_every_filter() -> None:
    text = DOCUMENT.read_text()
    assert [one.filter for one in wireshark.filters() if f"`{one.filter}`" not in text] == []


@pytest.mark.parametrize("one", wireshark.filters(), ids=lambda one: f"{one.method}-{one.name}".replace(" ", "-"))
def test_tshark_understands_the_filter(one: wireshark.Filter) -> None:
    done = tshark("-Y", one.filter, "-r", os.devnull)
    assert "isn't a valid display filter" not in done.stderr and "Unknown" not in done.stderr, done.stderr


def test_a_packet_seen_twice_is_no_retransmission_with_the_profile(tmp_path: Path) -> None:
    packet = Ether() / IP(src="10.45.0.1", dst="10.99.0.1") / TCP(sport=40000, dport=8080, flags="PA", seq=1) / b"GET /"
    wrpcap(str(tmp_path / "twice.pcap"), [packet, packet])
    flagged = ("-r", str(tmp_path / "twice.pcap"), "-Y", "tcp.analysis.flags")
    assert tshark(*flagged).stdout == ""
    alone = subprocess.run(["tshark", *flagged], capture_output=True, text=True, timeout=60, check=False)
    assert alone.stdout.count("8080") == 1


def test_probes_are_shown_with_the_time_from_each_switch_to_the_next(tmp_path: Path) -> None:
    request = bytearray(Probe("ue1", 7, 5).pack(trail=True))
    request[PROBE_BYTES : PROBE_BYTES + 18] = struct.pack("!HHHIHHI", 2, 3, 0, 1_000_000, 4, 0, 1_004_250)
    frames = [
        Ether() / IP(src="10.45.0.1", dst="10.99.0.1") / UDP(sport=4000, dport=PROBE_PORT) / bytes(payload)
        for payload in (request, probe_reply(Probe("ue1", 8, 5).pack(), b"mec1"), b"something else")
    ]
    wrpcap(str(tmp_path / "probes.pcap"), frames)
    names = ("device", "sequence", "host", "hops", "switch", "time", "delay_ms")
    fields = [word for name in names for word in ("-e", f"meclab.{name}")]
    shown = tshark("-r", str(tmp_path / "probes.pcap"), "-T", "fields", "-E", "separator=/s", *fields)
    assert shown.stdout.splitlines() == ["ue1 7  2 3,4 1000000,1004250 4.25", "ue1 8 mec1    ", "      "]


def tshark(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(FOLDER)}
    argv = ["tshark", "-C", PROFILE, *arguments]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
