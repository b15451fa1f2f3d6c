"""What the page of a comparison shows: everything computed here, so that the template only lays it out."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.report import (
    findings,
    lines,
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
from experiments.report.summary import COLUMNS, SHOWN_LARGE, Row
from experiments.report.timelines import Panel
from experiments.results import RunResult

MOST_PANELS = 12
MOST_ROUTES = 12
LINK_ROWS = 60


def context(runs: Sequence[Run], paths: Sequence[str]) -> tuple[dict[str, Any], list[Picture]]:
    """The template's values and the pictures; `paths` lead from the page to each run's folder."""
    measured = [run for run in runs if run.result is not None]
    results, parameters = [run.result for run in measured if run.result], [run.parameters for run in measured]
    rows = summary.rows(results, parameters)
    first = next((windows.move(row.handovers[0]) for row in rows if row.handovers), None)
    shown = {row.label: _representative(row, measured, first) for row in rows}
    plan = next((run.plan for run in runs if run.plan is not None), None)
    pictures = Pictures(rows, shown, (results, parameters))
    names = list(dict.fromkeys(run.manifest.scenario for run in runs))
    return {
        "title": f"{words.listed(names)}: comparison",
        "kicker": f"Comparison · {words.plural(len(runs), 'run')}",
        "heading": _heading(names, rows),
        "summary": plan.summary if plan and len(names) == 1 else "",
        "compared": findings.compared(rows, plan),
        "findings": [findings.of_row(row) for row in rows],
        "sections": _sections(pictures, runs),
        "columns": COLUMNS,
        "large": SHOWN_LARGE,
        "rows": rows,
        "pictures": pictures,
        "pictures_wide": network.is_wide(pictures.topology),
        "delays": network.delays(plan) if plan else "",
        "same_network": network.same([run.plan for run in runs if run.plan]),
        "trust": _trust(runs),
        "noise": [(run.label, run.manifest.seed, run.result.fidelity) for run in measured if run.result],
        "links": [(run.label, run.table("links", LINK_ROWS)) for run in _first_of_each(runs)],
        "verdicts": [(f"seed {run.manifest.seed}", verdict) for run in runs for verdict in run.verdicts],
        "facts": provenance.facts(runs),
        "filters": wireshark.filters([run.plan for run in runs if run.plan]),
        "runs": [(run, path, run.captures()) for run, path in zip(runs, paths, strict=True)],
    }, pictures.all


class Pictures:
    """The page's pictures, each drawn once."""

    def __init__(
        self,
        rows: Sequence[Row],
        shown: dict[str, tuple[Run, windows.Window] | None],
        measured: tuple[Sequence[RunResult], Sequence[Mapping[str, str]]],
    ) -> None:
        self.panels_left_out = max(0, len(rows) - MOST_PANELS)
        panels = [_panel(label, *found) for label, found in shown.items() if found][:MOST_PANELS]
        self.timelines = timelines.picture(panels, "timelines", _described(panels)) if panels else None
        words_said = "Every handover's steer, gap and interruption time, by method, with the median"
        self.sweeps = lines.pictures(*measured)
        self.strips = strips.picture(rows, "strips", words_said) if any(row.handovers for row in rows) else None
        plans = [found[0].plan for found in shown.values() if found]
        self.topology = network.whole(plans[0]) if plans and plans[0] else None
        self.routes = [
            route
            for number, (label, found) in enumerate(list(shown.items())[:MOST_ROUTES], 1)
            if found
            and found[0].plan
            and (route := network.route(found[0].plan, label, f"route-{number}", found[1].result))
        ]

    @property
    def all(self) -> list[Picture]:
        alone = [picture for picture in (self.timelines, self.strips, self.topology) if picture]
        return [*alone, *self.sweeps] + [route.picture for route in self.routes]


def _representative(row: Row, runs: Sequence[Run], move: windows.Move | None) -> tuple[Run, windows.Window] | None:
    """The row's typical handover with the run that it is of; of one move in all rows, where they have it."""
    ours = [run for run in runs if any(run.result is result for result in row.results)]
    among = [(run, window) for run in ours for window in run.windows]
    chosen = windows.typical([window for _, window in among], move)
    if chosen is None:
        return None
    run, window = next((run, window) for run, window in among if window is chosen)
    return run, run.filled(window)


def _panel(label: str, run: Run, window: windows.Window) -> Panel:
    result = window.result
    parts = [f"steer {words.number(result.steer_ms)} ms" if result.steer_ms is not None else "never steered"]
    parts += [f"gap {words.number(result.gap_ms)} ms", f"interruption {words.number(result.interruption_ms)} ms"]
    move = f"{result.device} {result.from_ap} → {result.to_ap}, seed {run.manifest.seed}"
    return Panel(label, " · ".join([move, *parts]), window)


def _described(panels: Sequence[Panel]) -> str:
    return "Probe RTT, serving host, losses and session requests around one handover: " + "; ".join(
        f"{panel.title}, {panel.note}" for panel in panels
    )


def _heading(names: Sequence[str], rows: Sequence[Row]) -> str:
    if len(names) == 1 and any(handover.from_ap != handover.to_ap for row in rows for handover in row.handovers):
        return f"What a handover costs: {words.listed([row.label for row in rows])}"
    return f"{words.listed(names)}: {words.listed([row.label for row in rows]) or 'no results'}"


def _trust(runs: Sequence[Run]) -> findings.Trust:
    return findings.trust(
        [(f"{run.label}, seed {run.manifest.seed}", run.manifest.status, run.trusted, run.doubts) for run in runs]
    )


def _first_of_each(runs: Sequence[Run]) -> list[Run]:
    """One run of each method: links are the same in all of them, only measured anew."""
    return list({run.label: run for run in reversed(runs)}.values())[::-1]


def _sections(pictures: Pictures, runs: Sequence[Run]) -> list[tuple[str, str]]:
    wanted = [
        ("table", "Comparison", True),
        ("signalling", "Messages", bool(any(run.result for run in runs))),
        ("timelines", "Around a handover", pictures.timelines is not None),
        ("sweeps", "Over the parameters", bool(pictures.sweeps)),
        ("strips", "Every handover", pictures.strips is not None),
        ("network", "Network", pictures.topology is not None),
        ("trust", "Fidelity", True),
        ("expectations", "Expectations", any(run.verdicts for run in runs)),
        ("reading", "How to read it", True),
        ("again", "Do it again", True),
        ("captures", "Captures", True),
    ]
    return [(anchor, name) for anchor, name, there in wanted if there]
