"""The device agent's logs as CSV, written a few rows at a time so that no probe waits for a disk.

`UE-probes.csv`: a row for each probe, in order of sequence; times are CLOCK_REALTIME in ns; `received_ns` and
`host` are empty for a probe without a reply within `GIVE_UP_NS`.
`UE-session.csv`: a row for each attempt of a request, in order of completion (`hosts.device.session.Attempt`).
`UE-discovery.csv`: a row for each step by which the client found its server; CLOCK_REALTIME in ns. What came is
noted with the time at which the kernel had it, after what happened between then and its turn in the loop.

| what | server | detail |
|---|---|---|
| `asked` | the resolver | name, family, transport: a DNS query |
| `answered` | the addresses, or `none` | name, family, TTL, `fresh` or `cached` |
| `failed` | | what did not work |
| `redirected` | where to | status and by what URI |
| `told`, `registered`, `notified` | the server | MEC 016: the reference, the context's identifier |
| `resolver` | the resolver | handed to the device |
| `rediscovery` | | what the network says to drop |
| `flushed` | | what, and how many answers it were |
| `connected` | the server | `TCP`, `TLS full`, `TLS resumed` |
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from hosts.device.session import Attempt

GIVE_UP_NS = 2_000_000_000
"""Age at which a probe without a reply is written as lost."""
_ROWS_AT_ONCE = 64


class Log:
    """A file of lines; a full disk costs lines and not the program."""

    def __init__(self, path: Path, header: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.unwritten = 0
        """Lines that could not be written."""
        if os.fstat(self._fd).st_size == 0:
            self.write([header])

    def write(self, lines: list[str]) -> None:
        """Appends lines."""
        if not lines:
            return
        data = ("\n".join(lines) + "\n").encode("ascii")
        try:
            if os.write(self._fd, data) < len(data):
                self.unwritten += 1
        except OSError:
            self.unwritten += len(lines)

    def close(self) -> None:
        os.close(self._fd)


class ProbeRecords:
    """Probes sent and their replies, on the way to `UE-probes.csv`."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._sent: dict[int, int] = {}
        """Send times of the probes not written yet, in order of sequence."""
        self._received: dict[int, tuple[int, str]] = {}

    def sent(self, sequence: int, sent_ns: int) -> None:
        """A probe left."""
        self._sent[sequence] = sent_ns

    def received(self, sequence: int, received_ns: int, host: str) -> bool:
        """A reply came; whether it is the first to a probe that still waits for one."""
        if sequence not in self._sent or sequence in self._received:
            return False
        self._received[sequence] = (received_ns, host)
        return True

    @property
    def waiting(self) -> int:
        """How many probes have no reply yet."""
        return len(self._sent) - len(self._received)

    def write_some(self, now_ns: int) -> None:
        """Writes a few rows if enough of them are complete."""
        if len(self._received) >= _ROWS_AT_ONCE:
            self._write(now_ns, _ROWS_AT_ONCE)

    def write_all(self) -> None:
        """Writes every row, those without a reply too."""
        self._write(None, len(self._sent))

    def _write(self, now_ns: int | None, most: int) -> None:
        rows: dict[int, str] = {}
        for sequence, sent_ns in self._sent.items():
            reply = self._received.get(sequence)
            if len(rows) == most or (reply is None and now_ns is not None and now_ns - sent_ns < GIVE_UP_NS):
                break
            received_ns, host = reply or ("", "")
            rows[sequence] = f"{sequence},{sent_ns},{received_ns},{host}"
        for sequence in rows:
            del self._sent[sequence]
            self._received.pop(sequence, None)
        self._log.write(list(rows.values()))


def session_lines(attempts: Iterable[Attempt], realtime_offset_ns: int) -> list[str]:
    """Rows of `UE-session.csv`, times turned from CLOCK_MONOTONIC to CLOCK_REALTIME."""
    return [
        ",".join(
            (
                "" if attempt.request is None else str(attempt.request),
                str(attempt.connection),
                "" if attempt.sent_ns is None else str(attempt.sent_ns + realtime_offset_ns),
                str(attempt.done_ns + realtime_offset_ns),
                attempt.host,
                attempt.outcome,
            )
        )
        for attempt in attempts
    ]


class Discoveries:
    """What goes to `UE-discovery.csv`."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def note(self, what: str, server: str, detail: str, at_ns: int | None = None) -> None:
        """Writes a row of this time; of now where it is none."""
        fields = (field.replace(",", ";").replace("\n", " ") for field in (what, server, detail))
        row = ",".join((str(time.time_ns() if at_ns is None else at_ns), *fields))
        self._log.write([row.encode("ascii", "backslashreplace").decode("ascii")])
