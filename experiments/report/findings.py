"""What came out, in sentences: the report's first answer to a reader who skips the tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.report import words
from experiments.report.summary import Row
from experiments.results import Status
from meclab.methods import BY_NAME
from meclab.plan import Plan

NOTICED = 0.2
"""A change of RTT of at least this share is told."""
MUCH = 1.3


@dataclass(frozen=True)
class Finding:
    """One method's outcome: a figure and a sentence."""

    label: str
    figure: str
    what: str
    sentence: str


@dataclass(frozen=True)
class Trust:
    """Whether the measurements can be relied on, and why not."""

    good: bool
    headline: str
    reasons: tuple[str, ...]


def of_row(row: Row) -> Finding:
    """The median RTT after the move, and what it took to get there."""
    if not row.handovers:
        return Finding(row.label, words.NOTHING, "", "No handover was measured.")
    return Finding(
        row.label, _figure(row), "ms RTT after", " ".join([*_steered(row), *_rtt(row), *_broken(row), *row.notes()])
    )


def _figure(row: Row) -> str:
    """The median, or the range where the handovers end so differently that a median says nothing."""
    after = [handover.rtt_after_ms for handover in row.handovers if handover.rtt_after_ms is not None]
    if after and max(after) > MUCH * min(after):
        return f"{words.number(min(after))}–{words.number(max(after))}"
    return words.cell(row.cell("rtt_after_ms"))


def _steered(row: Row) -> list[str]:
    steer = row.cell("steer_ms")
    if steer.median is None:
        return [f"Never reaches the decided host: {row.served_by()} serves."]
    if steer.missing:
        return [f"In {steer.missing} of {words.plural(len(row.handovers), 'handover')} never reaches the decided host."]
    return [f"The decided host answers {words.cell(steer)} ms after the attach."]


def _rtt(row: Row) -> list[str]:
    known = [(h.rtt_before_ms, h.rtt_after_ms) for h in row.handovers]
    pairs = [(before, after) for before, after in known if before is not None and after is not None]
    grown = [after for before, after in pairs if after > before * (1 + NOTICED)]
    fallen = [after for before, after in pairs if after < before * (1 - NOTICED)]
    if grown and len(grown) < len(pairs):
        return [f"RTT grows in {len(grown)} of {len(pairs)} handovers, to as much as {words.number(max(grown))} ms."]
    before = row.cell("rtt_before_ms")
    if grown or (pairs and len(fallen) == len(pairs)):
        verb = "grows" if grown else "falls"
        return [f"RTT {verb} from {words.cell(before)} to {words.cell(row.cell('rtt_after_ms'))} ms."]
    return [f"RTT stays near {words.cell(before)} ms."] if pairs and not fallen else []


def _broken(row: Row) -> list[str]:
    resets = sum(handover.resets for handover in row.handovers)
    interruption = row.cell("interruption_ms")
    broken = f"{words.plural(resets, 'TCP connection')} broken" if resets else "no TCP connection breaks"
    if interruption.median is None:
        return [f"{broken[0].upper()}{broken[1:]}."]
    return [f"The session pauses for {words.cell(interruption)} ms; {broken}."]


def trust(named: Sequence[tuple[str, Status, bool, Sequence[str]]]) -> Trust:
    """The verdict over runs given as (label, status, trusted, reasons); an expectation that failed is no reason."""
    doubts: dict[str, list[str]] = {}
    for label, status, trusted, why in named:
        said = ["the run is incomplete"] if status == "incomplete" else []
        if said := [*said, *why] or ([] if trusted else ["not trusted, without a reason given"]):
            doubts[label] = [*doubts.get(label, []), *said]
    if len(named) > 1:
        unique = tuple(f"{label}: {'; '.join(said)}" for label, said in doubts.items())
    else:
        unique = tuple(reason for said in doubts.values() for reason in said)
    if not named:
        return Trust(False, "Nothing was measured", ())
    if not unique:
        alone = "The measurement can be trusted" if len(named) == 1 else f"All {len(named)} runs can be trusted"
        return Trust(True, alone, ())
    doubtful = sum(status == "incomplete" or not trusted for _, status, trusted, _ in named)
    many = f"{doubtful} of {len(named)} runs" if len(named) > 1 else "This run"
    return Trust(doubtful == 0, f"Read {many} with care" if doubtful else "The runs can be trusted", unique)


def compared(rows: Sequence[Row], plan: Plan | None) -> str:
    """One paragraph: what moved, how, under which probes, in which network."""
    count = sum(len(row.handovers) for row in rows)
    runs = sum(len(row.results) for row in rows)
    said = [f"{words.plural(runs, 'run')} with {words.plural(count, 'handover')} in all, one network, one policy."]
    if plan is None:
        return " ".join(said)
    sites = len(plan.by_role("edge"))
    said.append(
        f"The network has {words.plural(sites, 'edge')}, {words.plural(len(plan.access_points), 'access point')}, "
        f"{words.plural(len(plan.mec_hosts), 'MEC host')} and a cloud behind the core; "
        f"{words.plural(len(plan.devices), 'device')} {'sends' if len(plan.devices) == 1 else 'send'} "
        f"a UDP probe every {words.duration(plan.probes.interval)} and a request on a kept TCP session every "
        f"{words.duration(plan.session.interval)} ({'IPv4' if plan.family == 'ipv4' else 'IPv6'})."
    )
    if any(event.handover for event in plan.events):
        said.append(_radio(plan))
    if by_name := [row.label for row in rows if row.results and row.results[0].method in BY_NAME]:
        said.append(f"The application's name has a TTL of {words.duration(plan.dns.ttl)} ({words.listed(by_name)}).")
    return " ".join(said)


def _radio(plan: Plan) -> str:
    radio = plan.devices[0].radio
    if radio.handover == "make-before-break":
        how = f"make-before-break, with both access points for {words.duration(radio.overlap)}"
    else:
        how = f"break-before-make, without any access point for {words.duration(radio.interruption)}"
    return f"Handovers are {how}; the orchestrator decides when it hears of the attach."
