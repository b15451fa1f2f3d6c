"""A run's folder as the report reads it: whatever is missing there is empty here, and the page says so."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from experiments.report.windows import LONGEST_MS, Reply, Request, Window
from experiments.results import HandoverResult, Manifest, RunResult, read_manifest
from meclab import expectations
from meclab.errors import RunError
from meclab.expectations import Verdict
from meclab.plan import Plan
from meclab.scenario import Scenario

MS = 1e6


@dataclass(frozen=True)
class Table:
    """A table of the run, as text, for a page."""

    name: str
    columns: tuple[str, ...]
    """Those that are not empty in every row shown."""
    rows: tuple[tuple[str, ...], ...]
    total: int
    """Rows in the file; `rows` may be fewer."""
    numeric: frozenset[int]
    """Columns that hold only numbers."""


@dataclass(frozen=True)
class Run:
    """One run's folder."""

    folder: Path
    manifest: Manifest

    @property
    def result(self) -> RunResult | None:
        return self.manifest.result

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the run cannot be relied on, in words; nothing where it can."""
        fidelity = self.result.fidelity if self.result else None
        broke_off = self.manifest.reasons if self.manifest.status == "incomplete" else ()
        measured = fidelity.reasons if fidelity else () if broke_off else ("it has no results",)
        return (*broke_off, *measured)

    @property
    def trusted(self) -> bool:
        return self.result is not None and self.result.fidelity.trusted

    @property
    def handovers(self) -> tuple[HandoverResult, ...]:
        return self.result.handovers if self.result else ()

    @property
    def label(self) -> str:
        """`vip pinned`."""
        return " ".join(part for part in (self.manifest.method, self.manifest.variant) if part)

    @cached_property
    def plan(self) -> Plan | None:
        try:
            return Plan.model_validate_json((self.folder / "plan.json").read_text())
        except (OSError, ValidationError):
            return None

    @cached_property
    def scenario(self) -> Scenario | None:
        try:
            return Scenario.model_validate(YAML(typ="safe").load(self.folder / "scenario.yaml"))
        except (OSError, YAMLError, ValidationError):
            return None

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The plan's parameters by dotted path, without what method and seed bring."""
        return _flat(json.loads(self.scenario.model_dump_json(exclude=_NOT_COMPARED))) if self.scenario else {}

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The scenario's expectations that speak of this run's method, judged."""
        if self.scenario is None or self.plan is None:
            return []
        measured = [handover.model_dump() for handover in self.handovers]
        return expectations.judge(self.scenario.expect, self.plan.method, measured)

    @cached_property
    def start_ns(self) -> int | None:
        """Earliest instant of the events table: what other instants are told from."""
        return min((int(at) for (at,) in _columns(self._path("events"), ["at_ns"]) if at), default=None)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """A window for each handover, with its instants only; `filled` adds the rest."""
        rows = list(_columns(self._path("handovers"), ["t0_ns", "detach_ns", "decision_ns"]))
        found = []
        for number, result in enumerate(self.handovers, 1):
            t0, detach, decision = rows[number - 1] if number <= len(rows) else ("", "", "")
            t0_ns = int(t0) if t0 else None
            found.append(Window(number, result, t0_ns, _since(detach, t0_ns), _since(decision, t0_ns), (), (), ()))
        return tuple(found)

    def filled(self, window: Window) -> Window:
        """The window with the replies, losses and requests of its device around it."""
        if window.t0_ns is None:
            return window
        t0 = window.t0_ns
        low, high = t0 - LONGEST_MS * MS, t0 + LONGEST_MS * MS
        probes = [probe for probe in self._probes.get(window.result.device, []) if low <= probe[0] <= high]
        replies = [Reply((at - t0) / MS, (at - sent) / MS, host) for sent, at, host in probes if at is not None]
        requests = [
            Request((sent - t0) / MS, None if done is None else (done - t0) / MS, host)
            for sent, done, host in self._requests.get(window.result.device, [])
            if low <= sent <= high
        ]
        lost = tuple((sent - t0) / MS for sent, at, _ in probes if at is None)
        ordered = tuple(sorted(replies, key=lambda reply: reply.at_ms))
        return Window(
            window.number, window.result, t0, window.detach_ms, window.decision_ms, ordered, lost, tuple(requests)
        )

    def table(self, name: str, most: int) -> Table | None:
        """A table's first rows, with instants in seconds from the run's start; none where there is no such table."""
        try:
            with self._path(name).open(newline="") as file:
                lines = csv.reader(file)
                columns = next(lines, [])
                rows = list(lines)
        except OSError:
            return None
        instants = [i for i, column in enumerate(columns) if column.endswith("_ns") and self._is_instant(rows, i)]
        shown = [self._told(row, instants) for row in rows[:most]]
        titles = [f"{c.removesuffix('_ns')}, s" if i in instants else _title(c) for i, c in enumerate(columns)]
        used = [i for i in range(len(columns)) if not shown or any(row[i] for row in shown)]
        kept = tuple(tuple(row[i] for i in used) for row in shown)
        numeric = frozenset(i for i in range(len(used)) if all(_is_number(row[i]) for row in kept))
        return Table(name, tuple(titles[i] for i in used), kept, len(rows), numeric)

    def captures(self) -> list[tuple[str, int]]:
        """The capture files by name, with their sizes."""
        return [(path.name, path.stat().st_size) for path in sorted((self.folder / "captures").glob("*.pcapng"))]

    @cached_property
    def _probes(self) -> dict[str, list[tuple[int, int | None, str]]]:
        return self._seen("probes", "replied_ns")

    @cached_property
    def _requests(self) -> dict[str, list[tuple[int, int | None, str]]]:
        return self._seen("requests", "done_ns")

    def _seen(self, table: str, answered: str) -> dict[str, list[tuple[int, int | None, str]]]:
        """By device: (sent, answered or none, host), in order of the table, which is by time."""
        found: dict[str, list[tuple[int, int | None, str]]] = {}
        for device, sent, at, host in _columns(self._path(table), ["device", "sent_ns", answered, "host"]):
            found.setdefault(device, []).append((int(sent), int(at) if at else None, host))
        return found

    def _path(self, table: str) -> Path:
        return self.folder / "tables" / f"{table}.csv"

    def _is_instant(self, rows: Sequence[Sequence[str]], column: int) -> bool:
        given = next((row[column] for row in rows if row[column]), "0")
        return self.start_ns is not None and given.isdigit() and int(given) > self.start_ns // 2

    def _told(self, row: Sequence[str], instants: Sequence[int]) -> tuple[str, ...]:
        told = list(row)
        for i in instants:
            told[i] = f"{(int(row[i]) - (self.start_ns or 0)) / 1e9:.6f}" if row[i] else ""
        return tuple(told)


_NOT_COMPARED = {"methods", "seed", "sweep", "expect", "summary", "scenario", "dataplane", "link_kind"}


def read(folder: Path) -> Run:
    """The run of a folder; raises `RunError` where it has no readable manifest."""
    try:
        manifest = read_manifest(folder)
    except (OSError, ValidationError) as error:
        raise RunError(f"{folder}: manifest.json cannot be read: {error}") from error
    if manifest is None:
        raise RunError(f"{folder}: not a run's folder (no manifest.json)")
    return Run(folder, manifest)


def _columns(path: Path, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Some columns of a table, row by row; nothing where the table or a column is missing."""
    try:
        file = path.open(newline="")
    except OSError:
        return
    with file:
        lines = csv.reader(file)
        header = next(lines, [])
        if not set(names) <= set(header):
            return
        wanted = [header.index(name) for name in names]
        for line in lines:
            yield tuple(line[i] for i in wanted)


def _since(instant: str, t0_ns: int | None) -> float | None:
    return (int(instant) - t0_ns) / MS if instant and t0_ns is not None else None


def _is_number(text: str) -> bool:
    return not text or text.replace(".", "", 1).lstrip("-").isdigit()


def _title(column: str) -> str:
    """`delay error p50, ms` of `delay_error_p50_ms`."""
    for unit in ("ms", "ns", "bytes", "bps", "s"):
        if column.endswith(f"_{unit}"):
            return f"{column.removesuffix(f'_{unit}').replace('_', ' ')}, {unit}"
    return column.replace("_", " ")


def _flat(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        return {k: v for key, part in value.items() for k, v in _flat(part, f"{path}.{key}".lstrip(".")).items()}
    return {path: json.dumps(value) if isinstance(value, list) else str(value)}
