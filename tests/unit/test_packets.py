"""Probes and markers as bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meclab.errors import PeerError
from meclab.packets import (
    PROBE_BYTES,
    TRAIL_BYTES,
    Marker,
    Probe,
    Stamp,
    probe_reply,
    stamps,
    unpack_marker,
    unpack_probe,
)

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@given(NAMES, st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.one_of(st.just(""), NAMES))
def test_a_probe_survives_the_wire(device: str, sequence: int, sent_ns: int, host: str) -> None:
    probe = Probe(device, sequence, sent_ns, host)
    assert unpack_probe(probe.pack()) == probe
    assert len(probe.pack()) == PROBE_BYTES


@given(NAMES, st.integers(0, 2**32 - 1), NAMES)
def test_the_patched_reply_is_the_packed_one(device: str, sequence: int, host: str) -> None:
    request = Probe(device, sequence, 7)
    assert probe_reply(request.pack(), host.encode()) == Probe(device, sequence, 7, host).pack()


def test_a_probe_may_have_room_for_stamps_and_its_reply_has_its_own() -> None:
    probe = Probe("ue1", 7, 123)
    request = probe.pack(trail=True)
    assert len(request) == PROBE_BYTES + TRAIL_BYTES
    assert stamps(request) == () == stamps(probe.pack())
    stamped = bytearray(request)
    stamped[PROBE_BYTES : PROBE_BYTES + 18] = struct.pack("!HHHIHHI", 2, 3, 0, 1000, 4, 1, 5)
    assert stamps(bytes(stamped)) == (Stamp(3, 1000), Stamp(4, (1 << 32) + 5))
    assert unpack_probe(bytes(stamped)) == probe
    reply = probe_reply(bytes(stamped), b"mec1")
    assert (len(reply), stamps(reply), unpack_probe(reply).host) == (len(request), (), "mec1")


@given(st.binary(max_size=80))
def test_garbage_is_refused_as_a_peer_error(payload: bytes) -> None:
    for unpack in (unpack_probe, unpack_marker):
        with pytest.raises(PeerError):
            unpack(payload)


def test_a_marker_survives_the_wire_and_reads_as_a_comment() -> None:
    marker = Marker("attach", 12, {"device": "ue1", "ap": "ap2"})
    assert unpack_marker(marker.pack()) == marker
    assert marker.comment() == "attach ap=ap2 device=ue1"
