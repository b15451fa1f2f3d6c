"""A run's folder to its tables and its public result: the one way in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from experiments import crosscheck, fidelity, pcapng, processor
from experiments.measurement import (
    application,
    events,
    lessons,
    links,
    merging,
    paths,
    probes,
    signalling,
    topography,
)
from experiments.measurement.captured import Captured, key_log, read
from experiments.measurement.events import MarkerSeen
from experiments.measurement.tables import METRICS, Tables
from experiments.measurement.traffic import Traffic
from experiments.results import HandoverResult, RunResult, SignallingRate, Status, read_manifest
from meclab import metrics
from meclab.changes import Change, changes
from meclab.errors import LabError
from meclab.metrics import MARGIN_NS, Outcome, Track
from meclab.observations import ConnectionSeen, LessonSeen, MessageSeen, ProbeSeen, RequestSeen
from meclab.plan import Plan

Row = TypeVar("Row", ProbeSeen, RequestSeen, ConnectionSeen, LessonSeen)


@dataclass(frozen=True)
class _Observed:
    """Everything that the captures showed, before it is judged."""

    seen: list[MarkerSeen]
    sightings: probes.Sightings
    probes: list[ProbeSeen]
    requests: list[RequestSeen]
    connections: list[ConnectionSeen]
    messages: list[MessageSeen]
    lessons: list[LessonSeen]


def measure(run_dir: Path) -> RunResult:
    """Measures a run from its captures: writes `tables/` and the merged capture, returns the public result.

    A run that broke off is measured as far as its captures go. Its `status` says only whether it came to its end;
    whether an expectation failed is for the caller to say.
    """
    plan = Plan.model_validate_json((run_dir / "plan.json").read_text())
    manifest = read_manifest(run_dir)
    captured = read(plan, run_dir / "captures")
    counts = manifest.captures if manifest else ()
    captured.problems += [f"the capture {count.file}: {count.problem}" for count in counts if count.problem]
    keys = key_log(plan, run_dir / "logs")
    observed = _observe(plan, captured, keys)
    tables = Tables(run_dir / "tables")
    begin_ns, end_ns, ended = _bounds(plan, observed)
    tracks = _tracks(plan, observed)
    found = [change for change in changes([row.marker for row in observed.seen], end_ns) if change.device in tracks]
    outcomes = [(change, metrics.outcome(change, tracks[change.device], observed.messages)) for change in found]
    tables.events(observed.seen)
    tables.probes(observed.probes)
    tables.requests(observed.requests)
    tables.connections(observed.connections)
    tables.signalling(observed.messages)
    tables.lessons(observed.lessons)
    tables.handovers(outcomes)
    _merge(run_dir, captured, keys)
    evidence = _evidence(plan, run_dir, captured, observed, tables, (begin_ns, end_ns))
    return _result(
        plan,
        run_dir,
        "ok" if ended and captured.files else "incomplete",
        outcomes,
        _signalling_rate(plan, observed, found, tracks, (begin_ns, end_ns)),
        evidence,
        observed,
    )


def _observe(plan: Plan, captured: Captured, keys: bytes) -> _Observed:
    seen = [row for capture, decoded in captured.files.values() for row in events.markers(capture, decoded)]
    sightings = probes.sightings(list(captured.files.values()))
    found = application.read(plan, captured.files, keys)
    captured.problems += found.problems
    traffic = Traffic(plan, captured.files)
    messages = [
        *signalling.signalling(plan, traffic),
        *(found.redirects if plan.method.name == "http-redirect" else ()),
    ]
    return _Observed(
        sorted(seen, key=lambda row: row.marker.at_ns),
        sightings,
        probes.probes(sightings, plan),
        found.requests,
        found.connections,
        sorted(messages, key=lambda message: message.at_ns),
        lessons.lessons(plan, traffic, found.requests),
    )


def _bounds(plan: Plan, observed: _Observed) -> tuple[int, int, bool]:
    """(ready, end less drain, whether it came to its end); a run that broke off ends with its last probe."""
    instants = {row.marker.event: row.marker.at_ns for row in observed.seen}
    sent = [probe.sent_ns for probe in observed.probes]
    begin_ns = instants.get("ready") or min(sent, default=0)
    last_ns = instants.get("end") or max(sent, default=begin_ns)
    return begin_ns, max(begin_ns, last_ns - plan.drain_ns), "end" in instants


def _tracks(plan: Plan, observed: _Observed) -> Mapping[str, Track]:
    probes_of, requests_of = _by_device(plan, observed.probes), _by_device(plan, observed.requests)
    connections_of, lessons_of = _by_device(plan, observed.connections), _by_device(plan, observed.lessons)
    return {
        name: Track(probes_of[name], requests_of[name], connections_of[name], lessons_of[name]) for name in probes_of
    }


def _by_device(plan: Plan, rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {device.name: [] for device in plan.devices}
    for row in rows:
        found[row.device].append(row)
    return found


def _signalling_rate(
    plan: Plan, observed: _Observed, found: Sequence[Change], tracks: Mapping[str, Track], bounds: tuple[int, int]
) -> SignallingRate:
    busy = [metrics.busy_span(change, tracks[change.device]) for change in found]
    attaches = [row.marker for row in observed.seen if row.marker.event == "attach"]
    busy += [(m.at_ns, m.at_ns + MARGIN_NS) for m in attaches if not m.fields.get("from_ap")]
    rate = metrics.rate_per_min(observed.messages, metrics.quiet_spans(*bounds, busy), len(plan.devices))
    return (
        SignallingRate(msgs=round(rate[0], 3), bytes=round(rate[1], 1))
        if rate
        else SignallingRate(msgs=None, bytes=None)
    )


def _merge(run_dir: Path, captured: Captured, keys: bytes) -> None:
    """One file out of all; with the keys of their sessions, so that Wireshark reads them."""
    try:
        if keys:
            for name in captured.files:
                pcapng.add_secrets(run_dir / "captures" / f"{name}.pcapng", keys)
        merging.merge(run_dir)
    except (LabError, OSError) as error:
        captured.problems.append(f"there is no merged capture: {error}")


def _evidence(
    plan: Plan, run_dir: Path, captured: Captured, observed: _Observed, tables: Tables, bounds: tuple[int, int]
) -> fidelity.Evidence:
    """Measures the accuracy, and writes the tables about it."""
    markers = [row.marker for row in observed.seen]
    everywhere = any(point.file == "switches" for point in plan.captures)
    crossings = topography.crossings(plan, markers) if everywhere else paths.crossings(plan, markers)
    node_of = topography.node_of_interface(plan)
    measured = links.measure(observed.sightings, crossings, node_of)
    delays = links.delays(measured, crossings)
    probes_of, requests_of = _by_device(plan, observed.probes), _by_device(plan, observed.requests)
    senders, late = fidelity.punctuality(probes_of, plan.probes.interval)
    lessons_of = _by_device(plan, observed.lessons)
    differences = crosscheck.crosscheck(run_dir / "logs", probes_of, requests_of, lessons_of, plan.family)
    samples = processor.samples(run_dir / "logs" / processor.LOG, *bounds)
    tables.links(delays)
    tables.senders(senders)
    tables.crosscheck(differences)
    tables.processor(samples)
    return fidelity.Evidence(
        probes=len(observed.probes),
        noise_floor_ms=links.noise_floor_ms(observed.sightings, measured, node_of),
        delay_error_ms=links.errors_ms(measured, crossings),
        links=delays,
        lateness_ns=late,
        busy=[share for _, share in samples],
        dropped=captured.dropped,
        log_differences=differences,
        problems=[*captured.problems, *tables.problems],
    )


def _result(
    plan: Plan,
    run_dir: Path,
    status: Status,
    outcomes: Sequence[tuple[Change, Outcome]],
    rate: SignallingRate,
    evidence: fidelity.Evidence,
    observed: _Observed,
) -> RunResult:
    return RunResult(
        scenario=plan.scenario,
        method=plan.method.name,
        variant=plan.method.variant,
        dataplane=plan.dataplane,
        links=plan.links_kind,
        family=plan.family,
        seed=plan.seed,
        status=status,
        handovers=tuple(_handover(change, outcome) for change, outcome in outcomes),
        signalling_per_min=rate,
        fidelity=fidelity.verdict(evidence),
        notes=tuple(_notes(plan, [change for change, _ in outcomes], [outcome.served_by for _, outcome in outcomes])),
        startup_s=_startup_s(run_dir, observed.probes),
        run_dir=str(run_dir),
    )


def _notes(plan: Plan, found: Sequence[Change], served_by: Sequence[str | None]) -> Iterator[str]:
    """Routing carries no decision: it says so where it chose another host."""
    if plan.method.name != "bgp-anycast":
        return
    apart = [
        f"{change.device} at {change.to_ap} is served by {host}, decided was {change.to_host}"
        for change, host in zip(found, served_by, strict=True)
        if host is not None and change.to_host is not None and host != change.to_host
    ]
    if apart:
        cases = "; ".join(dict.fromkeys(apart))
        yield f"routing and the orchestrator disagree in {len(apart)} of {len(found)} changes: {cases}"


def _handover(change: Change, outcome: Outcome) -> HandoverResult:
    return HandoverResult(
        device=change.device,
        from_ap=change.from_ap,
        to_ap=change.to_ap,
        from_host=change.from_host,
        to_host=change.to_host,
        **{metric: getattr(outcome, metric) for metric in METRICS},
    )


def _startup_s(run_dir: Path, seen: Sequence[ProbeSeen]) -> float | None:
    """From the command, by the manifest, to the first probe."""
    manifest = read_manifest(run_dir)
    if manifest is None or not seen:
        return None
    command_ns = datetime.fromisoformat(manifest.started_at).timestamp() * 1e9
    return round((min(probe.sent_ns for probe in seen) - command_ns) / 1e9, 3)
