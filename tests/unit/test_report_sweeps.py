"""The pictures and tables of many runs: lines over what was varied, CSV for other programs."""

import csv
from pathlib import Path

from report_runs import write_run

from experiments import report
from experiments.report import lines, run, summary


def measured(folder: Path, method: str, **changes: float) -> run.Run:
    return run.read(write_run(folder, method, **changes))  # type: ignore[arg-type]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_quantities_that_differ_are_varied_and_nothing_else() -> None:
    parameters = [
        {"dns.ttl": "1s", "radio.delay": "2ms", "radio.interruption": "0ns", "easdf.rediscovery": "all", "x": "1.5"},
        {"dns.ttl": "10s", "radio.delay": "2ms", "radio.interruption": "30ms", "easdf.rediscovery": "name", "x": "2"},
    ]
    assert lines.varied(parameters) == {"dns.ttl": "s", "radio.interruption": "ms", "x": ""}


def test_each_method_has_a_line_with_its_medians_in_the_order_of_the_parameter(tmp_path: Path) -> None:
    runs = [
        measured(tmp_path / f"{method}{at}", method, steer_ms=steer)
        for method in ("vip:immediate", "vip:pinned")
        for at, steer in ((2, 40.0), (1, 20.0))
    ]
    parameters = [{"radio.interruption": f"{run.folder.name[-1]}0ms"} for run in runs]
    results = [found.result for found in runs if found.result]
    found = lines._lines(results, parameters, "radio.interruption", 1000, "steer_ms")
    assert [line.label for line in found] == ["vip immediate", "vip pinned"]
    assert [(x, cell.median) for x, cell in found[0].points] == [(10.0, 20.0), (20.0, 40.0)]
    (picture,) = lines.pictures(results, parameters)
    assert "radio.interruption, ms" in picture.svg and "vip pinned" in picture.svg


def test_a_comparison_leaves_its_rows_and_every_handover_as_csv(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / "a", "vip:immediate", handovers=3), write_run(tmp_path / "b", "cloud", handovers=3)]
    report.write_comparison(folders, tmp_path / "out")
    handovers = rows(tmp_path / "out" / "handovers.csv")
    assert [(row["method"], row["number"]) for row in handovers] == [
        *(("vip", str(n)) for n in (1, 2, 3)),
        *(("cloud", str(n)) for n in (1, 2, 3)),
    ]
    cells = {(row["label"], row["metric"]): row for row in rows(tmp_path / "out" / "comparison.csv")}
    assert len(cells) == 2 * len(summary.COLUMNS)
    assert cells["cloud", "steer_ms"]["median"] == "" and cells["cloud", "steer_ms"]["missing"] == "3"
    median = sorted(float(row["steer_ms"]) for row in handovers if row["method"] == "vip")[1]
    assert float(cells["vip immediate", "steer_ms"]["median"]) == median
