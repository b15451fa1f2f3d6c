"""What the page of one run shows: everything computed here, so that the template only lays it out."""

from typing import Any

from experiments.report import (
    findings,
    flows,
    network,
    provenance,
    strips,
    summary,
    timelines,
    windows,
    wireshark,
    words,
)
from experiments.report.drawing import Picture
from experiments.report.run import Run
from experiments.report.summary import COLUMNS, SHOWN_LARGE
from experiments.report.timelines import Panel
from experiments.results import HandoverResult

MOST_PANELS = 12
TABLE_ROWS = 200
OPEN_ROWS = 25
"""A table with more rows than this starts folded."""


def context(run: Run) -> tuple[dict[str, Any], list[Picture]]:
    """The template's values and the pictures."""
    manifest = run.manifest
    rows = summary.rows([run.result]) if run.result else ()
    chosen = [run.filled(window) for window in windows.drawn(run.windows, MOST_PANELS)]
    panels = [_panel(window) for window in chosen]
    described = f"Probe RTT, serving host, losses and session requests around {len(panels)} handovers of {run.label}"
    timeline = timelines.picture(panels, "timelines", described) if panels else None
    strip = None
    if len(run.handovers) > 1:
        strip = strips.picture(rows, "strips", "Every handover's steer, gap and interruption time, with the median")
    whole = network.whole(run.plan) if run.plan else None
    first = windows.move(run.handovers[0]) if run.handovers else None
    route = None
    if run.plan and (typical := windows.typical(run.windows, first)):
        route = network.route(run.plan, run.label, "route-1", typical.result)
    pictures = [picture for picture in (timeline, strip, whole, route.picture if route else None) if picture]
    tables = {name: run.table(name, TABLE_ROWS) for name in ("links", "events", "signalling", "connections")}
    values = {
        "title": f"{manifest.scenario}, {run.label}, seed {manifest.seed}",
        "kicker": f"One run · {manifest.started_at[:19].replace('T', ' ')} UTC",
        "heading": f"{manifest.scenario}: {run.label}",
        "summary": run.plan.summary if run.plan else "",
        "compared": findings.compared(rows, run.plan),
        "findings": [findings.of_row(row) for row in rows if row.handovers],
        "run": run,
        "trust": findings.trust([(run.label, manifest.status, run.trusted, run.doubts)]),
        "columns": COLUMNS,
        "large": SHOWN_LARGE,
        "handovers": run.handovers,
        "medians": rows[0] if len(run.handovers) > 1 else None,
        "open_rows": OPEN_ROWS,
        "drawn": len(panels),
        "timelines": timeline,
        "strips": strip,
        "topology": whole,
        "pictures_wide": network.is_wide(whole),
        "delays": network.delays(run.plan) if run.plan else "",
        "route": route,
        "tables": tables,
        "verdicts": [("", verdict) for verdict in run.verdicts],
        "changes": flows.changes(run.folder),
        "facts": provenance.facts([run]),
        "filters": wireshark.filters([run.plan] if run.plan else []),
        "captures": run.captures(),
    }
    return values | {"sections": _sections(values)}, pictures


def _panel(window: windows.Window) -> Panel:
    result = window.result
    steer = f"steer {words.number(result.steer_ms)} ms" if result.steer_ms is not None else "never steered"
    note = f"{steer} · gap {words.number(result.gap_ms)} ms · interruption {words.number(result.interruption_ms)} ms"
    return Panel(f"{window.number}. {_what(result)}", note, window)


def _what(result: HandoverResult) -> str:
    if result.from_ap != result.to_ap:
        return f"{result.device} {result.from_ap or 'nowhere'} → {result.to_ap}"
    return f"{result.device} {result.from_host or 'no host'} → {result.to_host or 'no host'}"


def _sections(values: dict[str, Any]) -> list[tuple[str, str]]:
    wanted = [
        ("handovers", "Handovers", True),
        ("timelines", "Timelines", values["timelines"]),
        ("network", "Network", values["topology"]),
        ("trust", "Fidelity", True),
        ("expectations", "Expectations", values["verdicts"]),
        ("events", "Events", values["tables"]["events"]),
        ("signalling", "Signalling", values["tables"]["signalling"]),
        ("flows", "Flow tables", values["changes"]),
        ("again", "Do it again", True),
        ("captures", "Captures", True),
    ]
    return [(anchor, name) for anchor, name, there in wanted if there]
