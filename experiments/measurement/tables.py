"""The run's tables as CSV files; `docs/results.md` says what each column means."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.crosscheck import LogDifference
from experiments.fidelity import SendLateness
from experiments.measurement.events import MarkerSeen
from experiments.measurement.links import LinkDelay
from meclab.changes import Change
from meclab.metrics import Outcome
from meclab.observations import ConnectionSeen, LessonSeen, MessageSeen, ProbeSeen, RequestSeen

_EVENT_FIELDS = ("device", "ap", "from_ap", "host", "from_host", "trigger", "reason")
METRICS = (
    *(
        "served_by",
        "radio_gap_ms",
        "decide_ms",
        "learn_ms",
        "learned_by",
        "cache_age_ms",
        "gap_ms",
        "steer_ms",
        "interruption_ms",
    ),
    *("rtt_before_ms", "detour_rtt_ms", "rtt_after_ms", "lost", "resets", "reconnects", "stale_requests"),
    *("signalling_msgs", "signalling_bytes"),
)
"""Fields of `Outcome` that are public, in the order of the public JSON."""
_CHANGE = ("device", "from_ap", "to_ap", "from_host", "to_host")
_BESIDE = ("probes", "in_flight")
"""Fields of `Outcome` that only the table has."""
_INSTANTS = ("trigger", "t0_ns", "detach_ns", "decision_ns", "end_ns")

Rows = Iterable[Sequence[Any]]


class Tables:
    """The folder of a run's tables; every method writes one file, empty cells where there is nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problems: list[str] = []
        """Tables that could not be written, in words."""
        folder.mkdir(parents=True, exist_ok=True)

    def events(self, seen: Iterable[MarkerSeen]) -> None:
        rows = []
        for row in seen:
            fields = dict(row.marker.fields)
            named = [fields.pop(name, None) for name in _EVENT_FIELDS]
            detail = json.dumps(fields, sort_keys=True) if fields else None
            rows.append((row.marker.at_ns, row.captured_ns, row.marker.event, *named, detail))
        self._write("events", ("at_ns", "captured_ns", "event", *_EVENT_FIELDS, "detail"), rows)

    def probes(self, seen: Iterable[ProbeSeen]) -> None:
        columns = ("device", "sequence", "sent_ns", "replied_ns", "rtt_ms", "host", "delivered_to", "delivered_ns")
        self._write(
            "probes",
            columns,
            (
                (p.device, p.sequence, p.sent_ns, p.replied_ns, _ms(p.rtt_ns), p.host, p.delivered_to, p.delivered_ns)
                for p in seen
            ),
        )

    def requests(self, seen: Iterable[RequestSeen]) -> None:
        columns = ("device", "request", "connection", "server", "sent_ns", "done_ns", "host")
        more = ("status", "answered_ns", "location", "delivered_to", "delivered_ns")
        self._write(
            "requests",
            (*columns, *more),
            (
                (
                    *(r.device, r.number, r.connection, r.server, r.sent_ns, r.done_ns, r.host),
                    *(r.status, r.answered_ns, r.location),
                    " ".join(delivery.host for delivery in r.deliveries),
                    " ".join(str(delivery.at_ns) for delivery in r.deliveries),
                )
                for r in seen
            ),
        )

    def connections(self, seen: Iterable[ConnectionSeen]) -> None:
        columns = ("device", "connection", "local_port", "server", "opened_ns", "established_ns", "closed_ns", "ending")
        self._write(
            "connections",
            (*columns, "tls", "handshake_ms"),
            ((*(getattr(row, column) for column in columns), row.tls, _ms(row.handshake_ns)) for row in seen),
        )

    def signalling(self, seen: Iterable[MessageSeen]) -> None:
        columns = ("at_ns", "role", "sender", "message", "rule_class", "size_bytes", "own", "device")
        self._write(
            "signalling",
            columns,
            ((m.at_ns, m.role, m.sender, m.message, m.rule_class, m.size_bytes, int(m.own), m.device) for m in seen),
        )

    def lessons(self, seen: Iterable[LessonSeen]) -> None:
        columns = ("device", "at_ns", "by", "host", "detail", "handed_ns")
        self._write("lessons", columns, ([getattr(row, column) for column in columns] for row in seen))

    def links(self, measured: Iterable[LinkDelay]) -> None:
        columns = ("link", "kind", "from_node", "to_node", "samples", "configured_ms", "delay_p50_ms", "error_p50_ms")
        self._write(
            "links",
            (*columns, "error_p99_ms", "rate_limited"),
            (
                (
                    *(row.crossing.link, row.crossing.kind, row.crossing.from_node, row.crossing.to_node, row.samples),
                    *(row.configured_ms, row.delay_p50_ms, row.error_p50_ms, row.error_p99_ms),
                    int(row.crossing.limited),
                )
                for row in measured
            ),
        )

    def handovers(self, measured: Iterable[tuple[Change, Outcome]]) -> None:
        rows = [
            [
                *(getattr(change, column) for column in (*_CHANGE, *_INSTANTS)),
                *(getattr(outcome, column) for column in (*METRICS, *_BESIDE)),
            ]
            for change, outcome in measured
        ]
        self._write("handovers", (*_CHANGE, *_INSTANTS, *METRICS, *_BESIDE), rows)

    def senders(self, rows: Iterable[SendLateness]) -> None:
        columns = ("device", "probes", "p50_ms", "p99_ms", "max_ms")
        self._write("senders", columns, ([getattr(row, column) for column in columns] for row in rows))

    def crosscheck(self, rows: Iterable[LogDifference]) -> None:
        columns = ("device", "instant", "compared", "p50_ms", "p99_ms", "max_ms", "only_captured", "only_logged")
        self._write("crosscheck", columns, ([getattr(row, column) for column in columns] for row in rows))

    def processor(self, samples: Iterable[tuple[int, float]]) -> None:
        self._write("processor", ("at_ns", "busy"), samples)

    def _write(self, name: str, columns: Sequence[str], rows: Rows) -> None:
        """A full disk costs the table, not the measurement."""
        try:
            with (self._folder / f"{name}.csv").open("w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(columns)
                writer.writerows(rows)
        except OSError as error:
            self.problems.append(f"the table {name} could not be written: {error.strerror}")


def _ms(ns: int | None) -> float | None:
    return None if ns is None else round(ns / 1e6, 4)
