"""The captures' instants against those of the device agents' logs, which serve for nothing else."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.fidelity import spread_ms
from meclab.model import Family
from meclab.observations import LessonSeen, ProbeSeen, RequestSeen

_SAME_NS = 100_000_000
"""A logged and a captured instant further apart than this are not the same."""
_TOLD: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "answered": (frozenset({"dns"}), frozenset({"answered"})),
    "redirected": (frozenset({"redirect"}), frozenset({"redirected"})),
    "notified": (frozenset({"context", "notification"}), frozenset({"told", "notified"})),
}
"""Instant to the kinds of `LessonSeen`, and to what the client calls it in its log."""


@dataclass(frozen=True)
class LogDifference:
    """Captured instants against those of an agent's log: a row of `crosscheck.csv`."""

    device: str
    instant: str
    """`probe_sent`, `probe_received`, `request_sent`, `request_done`, `answered`, `redirected`, `notified`."""
    compared: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    only_captured: int
    only_logged: int


def crosscheck(
    logs: Path,
    probes_of: Mapping[str, Sequence[ProbeSeen]],
    requests_of: Mapping[str, Sequence[RequestSeen]],
    lessons_of: Mapping[str, Sequence[LessonSeen]],
    family: Family,
) -> list[LogDifference]:
    """Captured instants against the agents' logs; devices without a log are left out."""
    rows: list[LogDifference] = []
    for device, probes in probes_of.items():
        logged = _rows(logs / f"{device}-probes.csv")
        for instant, column, captured in (
            ("probe_sent", "sent_ns", {(p.sequence, 0): p.sent_ns for p in probes}),
            ("probe_received", "received_ns", {(p.sequence, 0): p.replied_ns for p in probes}),
        ):
            rows += _difference(device, instant, captured, _numbered(logged, "sequence", column))
    for device, requests in requests_of.items():
        logged = [row for row in _rows(logs / f"{device}-session.csv") if row["sent_ns"] and row["request"]]
        logged.sort(key=lambda row: int(row["sent_ns"]))
        done = [row if row["outcome"] == "ok" else {**row, "done_ns": ""} for row in logged]
        numbers = _attempts([request.number for request in requests])
        sent = dict(zip(numbers, (request.sent_ns for request in requests), strict=True))
        answered = dict(zip(numbers, (request.done_ns for request in requests), strict=True))
        rows += _difference(device, "request_sent", sent, _numbered(logged, "request", "sent_ns"))
        rows += _difference(device, "request_done", answered, _numbered(done, "request", "done_ns"))
    for device, lessons in lessons_of.items():
        rows += _discoveries(device, lessons, _rows(logs / f"{device}-discovery.csv"), family)
    return rows


def _discoveries(
    device: str, lessons: Sequence[LessonSeen], logged: Sequence[dict[str, str]], family: Family
) -> list[LogDifference]:
    """What the client was told, by both: a logged instant is the nearest captured one of its kind, if no other is."""
    rows = []
    for instant, (kinds, words) in _TOLD.items():
        told = sorted(int(row["at_ns"]) for row in logged if row["what"] in words and _is_new(row, family))
        arrived = sorted({lesson.at_ns for lesson in lessons if lesson.by in kinds})
        pairs = _paired(arrived, told)
        captured: dict[tuple[int, int], int | None] = {(at_ns, 0): at_ns for at_ns in arrived}
        seen: dict[tuple[int, int], int | None] = {
            (pairs[number], 0) if number in pairs else (number, 1): at_ns for number, at_ns in enumerate(told)
        }
        rows += _difference(device, instant, captured, seen)
    return rows


def _is_new(row: dict[str, str], family: Family) -> bool:
    """Whether a row tells of a message: an answer's (`app.edge.example. ipv4 ttl=10s fresh`) that did not come from the
    client's cache, and has an address of the family that lessons are about."""
    if row["what"] != "answered":
        return True
    words = row["detail"].split()
    return row["server"] != "none" and family in words and words[-1:] == ["fresh"]


def _paired(captured: Sequence[int], logged: Sequence[int]) -> dict[int, int]:
    """Index of a logged instant to the captured one that is nearest to it, within `_SAME_NS`; both in order."""
    free = list(captured)
    pairs: dict[int, int] = {}
    for number, at_ns in enumerate(logged):
        nearest = min(free, key=lambda seen_ns: abs(seen_ns - at_ns), default=None)
        if nearest is not None and abs(nearest - at_ns) <= _SAME_NS:
            pairs[number] = nearest
            free.remove(nearest)
    return pairs


def _rows(path: Path) -> list[dict[str, str]]:
    """A log's whole rows."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if None not in row.values()]


def _attempts(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Each number with how often it came before: the attempts of one request."""
    seen: dict[int, int] = {}
    found = []
    for number in numbers:
        found.append((number, seen.get(number, 0)))
        seen[number] = seen.get(number, 0) + 1
    return found


def _numbered(rows: Sequence[dict[str, str]], key: str, column: str) -> dict[tuple[int, int], int | None]:
    attempts = _attempts(int(row[key]) for row in rows)
    return {a: int(row[column]) if row[column] else None for a, row in zip(attempts, rows, strict=True)}


def _difference(
    device: str,
    instant: str,
    captured: Mapping[tuple[int, int], int | None],
    logged: Mapping[tuple[int, int], int | None],
) -> list[LogDifference]:
    if not logged:
        return []
    seen = {key: at_ns for key, at_ns in captured.items() if at_ns is not None}
    told = {key: at_ns for key, at_ns in logged.items() if at_ns is not None}
    both = [abs(seen[key] - told[key]) for key in seen.keys() & told.keys()]
    spread = spread_ms(both) if both else (0.0, 0.0, 0.0)
    return [LogDifference(device, instant, len(both), *spread, len(seen) - len(both), len(told) - len(both))]
