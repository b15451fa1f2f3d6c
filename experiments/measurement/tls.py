"""Sessions over TLS: handshakes by their cleartext, requests and responses by tshark with the devices' key logs."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from experiments import pcapng
from experiments.measurement import streams
from experiments.measurement.frames import ACK, SYN, Frames
from experiments.measurement.streams import Direction, Segment
from experiments.pcapng import Capture
from meclab.errors import RunError
from meclab.observations import Handshake

Plain = Mapping[tuple[Direction, int], bytes]
"""Direction and sequence number of a segment to the HTTP message in it."""
Handshakes = Mapping[tuple[Direction, int], tuple[Handshake, int | None]]
"""Client's direction and sequence number of the SYN to the kind, and from the SYN to the client's Finished in ns."""
_RECORD_HANDSHAKE, _SERVER_HELLO = 22, 2
_PRE_SHARED_KEY = 41
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""Random of a HelloRetryRequest (RFC 8446 section 4.1.3)."""
_FIELDS = (
    *("http.request.method", "http.request.uri", "http.request.version", "http.request.line"),
    *("http.response.version", "http.response.code", "http.response.phrase", "http.response.line"),
)
_APART = "\x1f"
"""Between the lines of one header, which have commas of their own."""


def handshakes(found: Sequence[Segment], port: int) -> Handshakes:
    """The handshakes on a device's connections, from the segments at its interface in order of time.

    After the server's hello, what the client sends first ends with its Finished.
    """
    seen: dict[tuple[Direction, int], tuple[Handshake, int | None]] = {}
    opened: dict[Direction, Segment] = {}
    for segment in found:
        outgoing = segment.destination_port == port
        client = segment.direction if outgoing else (*segment.direction[2:], *segment.direction[:2])
        if outgoing and segment.flags & (SYN | ACK) == SYN:
            known = opened.get(client)
            opened[client] = known if known is not None and known.sequence == segment.sequence else segment
        if client not in opened or not segment.size:
            continue
        key = client, opened[client].sequence
        if not outgoing and key not in seen and (kind := server_hello(segment.payload)):
            seen[key] = kind, None
        elif outgoing and key in seen and seen[key][1] is None:
            seen[key] = seen[key][0], segment.time_ns - opened[client].time_ns
    return seen


def server_hello(payload: bytes) -> Handshake:
    """Whether the server took a pre-shared key; empty for what does not begin with its hello."""
    if len(payload) < 44 or payload[0] != _RECORD_HANDSHAKE or payload[5] != _SERVER_HELLO:
        return ""
    if payload[11:43] == _RETRY:
        return ""
    offset = 44 + payload[43] + 3
    end = offset + 2 + int.from_bytes(payload[offset : offset + 2])
    offset += 2
    while offset + 4 <= min(end, len(payload)):
        if int.from_bytes(payload[offset : offset + 2]) == _PRE_SHARED_KEY:
            return "resumed"
        offset += 4 + int.from_bytes(payload[offset + 2 : offset + 4])
    return "full"


def in_clear(found: Sequence[Segment], plain: Plain) -> list[Segment]:
    """The segments with what they carry in place of what is on the wire."""
    return [replace(s, payload=plain.get((s.direction, s.sequence), b"") if s.size else b"") for s in found]


def decrypted(captures: Sequence[tuple[Capture, Frames]], key_log: bytes, port: int) -> Plain:
    """The HTTP messages in the devices' segments of a port. Raises `RunError` where tshark cannot say."""
    content: list[tuple[int, int, bytes]] = []
    found: list[Segment] = []
    for capture, decoded in captures:
        own = streams.segments(capture, decoded, port)
        index = streams.index(capture, decoded, port)
        content += [(int(capture.time_ns[i]), int(capture.length[i]), capture.frame(int(i))) for i in index]
        found += own
    plain: dict[tuple[Direction, int], bytes] = {}
    with tempfile.TemporaryDirectory(prefix="meclab-tls-") as folder:
        path = Path(folder) / "sessions.pcapng"
        path.write_bytes(pcapng.written(content, key_log))
        for number, text in _http(path, port):
            plain.setdefault((found[number].direction, found[number].sequence), text)
    return plain


def _http(path: Path, port: int) -> Iterator[tuple[int, bytes]]:
    """(index of the frame, HTTP message without its body) of each frame with one."""
    argv = ["tshark", "-n", "-r", str(path), "-d", f"tls.port=={port},http", "-o", "http.desegment_body:FALSE"]
    argv += ["-Y", "http", "-T", "fields", "-E", f"aggregator={_APART}", "-E", "separator=/t"]
    for field in ("frame.number", *_FIELDS):
        argv += ["-e", field]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"tshark cannot decrypt the sessions: {done.stderr.strip()[-300:]}")
    for line in done.stdout.splitlines():
        number, *values = line.split("\t")
        method, target, version, asked, answer_version, code, phrase, answered = (values + [""] * 8)[:8]
        first = f"{method} {target} {version}" if method else f"{answer_version} {code} {phrase}"
        yield int(number) - 1, "\r\n".join([first, *_lines(asked if method else answered), "", ""]).encode()


def _lines(header: str) -> list[str]:
    return [line.removesuffix("\\r\\n").strip() for line in header.split(_APART) if line]
