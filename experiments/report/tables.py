"""A comparison as CSV files, for other programs: `comparison.csv` and `handovers.csv` beside its page.

`comparison.csv` has a row for each row of the comparison and metric; `handovers.csv` one for each handover of every
run, with the parameters that differ among the runs. `docs/results.md` says what each column means.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.report.run import Run
from experiments.report.summary import COLUMNS, Row
from experiments.results import HandoverResult

_CELL = ("median", "low", "high", "kind", "count", "missing")


def write(folder: Path, runs: Sequence[Run], rows: Sequence[Row]) -> None:
    """Writes both files into a folder."""
    _write(folder / "comparison.csv", ("label", "metric", "unit", *_CELL), _cells(rows))
    varying = _varying(runs)
    own = ("scenario", "method", "variant", "dataplane", "links", "family", "seed", "status", "trusted", "run")
    columns = (*own, *varying, "number", *HandoverResult.model_fields)
    _write(folder / "handovers.csv", columns, _handovers(runs, varying))


def _cells(rows: Sequence[Row]) -> Iterable[Sequence[Any]]:
    for row in rows:
        for column in COLUMNS:
            cell = row.cell(column.metric)
            yield (row.label, column.metric, column.unit, *(getattr(cell, name) for name in _CELL))


def _handovers(runs: Sequence[Run], varying: Sequence[str]) -> Iterable[Sequence[Any]]:
    for run in runs:
        manifest = run.manifest
        made = (manifest.scenario, manifest.method, manifest.variant, manifest.dataplane, manifest.links)
        told = (manifest.family, manifest.seed, manifest.status, int(run.trusted), run.folder.name)
        settings = [run.parameters.get(key, "") for key in varying]
        for number, handover in enumerate(run.handovers, 1):
            yield (*made, *told, *settings, number, *handover.model_dump().values())


def _varying(runs: Sequence[Run]) -> list[str]:
    keys = dict.fromkeys(key for run in runs for key in run.parameters)
    return [key for key in keys if len({run.parameters.get(key) for run in runs}) > 1]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
