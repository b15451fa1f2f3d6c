"""Rows, medians and intervals of the comparison, on pages and on the terminal."""

import io
from itertools import pairwise
from pathlib import Path

import pytest
from report_runs import fidelity, write_run
from rich.console import Console

from experiments import terminal
from experiments.report import summary, windows, words
from experiments.report.windows import Band, Reply, bands
from experiments.results import RunResult, read_manifest
from meclab.expectations import Verdict


def result(folder: Path, method: str, **changes: object) -> RunResult:
    manifest = read_manifest(write_run(folder / f"{method}{len(list(folder.iterdir()))}", method))
    assert manifest is not None
    assert manifest.result is not None
    return manifest.result.model_copy(update=changes)


def shown(results: list[RunResult], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal.comparison(results))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_cell_says_what_its_spread_is() -> None:
    assert summary.cell([]).median is None
    assert summary.cell([3.0]) == summary.Cell(3.0, count=1)
    few = summary.cell([1.0, None, 5.0, 3.0])
    assert (few.median, few.low, few.high, few.kind, few.missing) == (3.0, 1.0, 5.0, "range", 1)


@pytest.mark.parametrize(("count", "low", "high"), [(6, 1, 6), (10, 2, 9), (20, 6, 15), (100, 40, 61)])
def test_the_interval_of_a_median_is_the_tabled_one(count: int, low: int, high: int) -> None:
    """Order statistics for a 95 % interval, as in the tables of Hahn and Meeker."""
    found = summary.cell([float(value) for value in range(1, count + 1)])
    assert (found.kind, found.low, found.high) == ("confidence", low, high)


def test_counts_keep_their_range_so_that_a_rare_loss_shows() -> None:
    found = summary.cell([0] * 20 + [3], counted=True)
    assert (found.median, found.low, found.high, found.kind) == (0, 0, 3, "range")


def test_rows_join_repeats_and_part_what_differs(tmp_path: Path) -> None:
    results = [result(tmp_path, "vip"), result(tmp_path, "cloud"), result(tmp_path, "vip", seed=2)]
    assert [(row.label, len(row.results)) for row in summary.rows(results)] == [("vip immediate", 2), ("cloud", 1)]
    results[2] = results[2].model_copy(update={"family": "ipv6"})
    labels = [row.label for row in summary.rows(results)]
    assert labels == ["vip immediate, ipv4", "cloud, ipv4", "vip immediate, ipv6"]


def test_rows_name_the_swept_parameter_and_no_other(tmp_path: Path) -> None:
    results = [result(tmp_path, "vip"), result(tmp_path, "vip")]
    swept = [{"radio.interruption": "30ms", "drain": "1s"}, {"radio.interruption": "60ms", "drain": "1s"}]
    assert [row.label for row in summary.rows(results, swept)] == [
        "vip immediate, radio.interruption=30ms",
        "vip immediate, radio.interruption=60ms",
    ]


def test_numbers_are_written_for_people() -> None:
    assert words.number(None) == "–"
    assert words.number(-1.25) == "−1.2"
    assert words.number(12345.6) == "12\u2009346"
    assert words.cell(summary.cell([0, 1]), 0) == "0.5"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed([str(i) for i in range(9)], 3) == "0, 1, 2 and 6 more"


def test_bands_end_where_the_host_changes_or_falls_silent() -> None:
    replies = [Reply(float(t), 7.0, "mec1") for t in (0, 5, 10, 60, 65)] + [Reply(70.0, 7.0, "mec2")]
    assert bands(replies) == (Band("mec1", 0, 10), Band("mec1", 60, 70), Band("mec2", 70, 75))
    assert bands([]) == ()


def test_many_windows_are_thinned_by_rank_with_both_ends_kept(tmp_path: Path) -> None:
    base = result(tmp_path, "vip").handovers[0]
    steers = [float((7 * i) % 100) for i in range(99)] + [None]
    every = [
        windows.Window(number, base.model_copy(update={"steer_ms": steer}), 0, None, None, (), (), ())
        for number, steer in enumerate(steers, 1)
    ]
    kept = windows.drawn(every, 10)
    assert len(kept) == 10
    assert all(early.number < late.number for early, late in pairwise(kept))
    assert {0.0, None} <= {window.result.steer_ms for window in kept}
    assert windows.typical(every).result.steer_ms in (49.0, 50.0)  # type: ignore[union-attr]


@pytest.mark.parametrize("width", [200, 120, 80, 60, 30])
def test_the_terminal_table_never_breaks_a_number_whatever_the_width(tmp_path: Path, width: int) -> None:
    results = [result(tmp_path, method) for method in ("cloud", "sticky", "vip:immediate", "vip:pinned")]
    lines = shown(results, width).splitlines()
    assert max(len(line) for line in lines) <= width
    text = "\n".join(lines)
    assert "54.0" in text
    assert "…" not in text
    for number in ("cloud", "sticky", "immediate", "pinned", "interruption", "signalling"):
        assert number in text


def test_methods_are_rows_on_a_wide_terminal_and_columns_on_a_narrow_one(tmp_path: Path) -> None:
    results = [result(tmp_path, "cloud"), result(tmp_path, "vip")]
    assert any(line.startswith("cloud ") and "54.0" in line for line in shown(results, 200).splitlines())
    narrow = shown(results, 70).splitlines()
    assert any(line.startswith("RTT after") and "54.0" in line and "7.3" in line for line in narrow)


def test_the_terminal_says_what_not_to_trust(tmp_path: Path) -> None:
    doubtful = result(tmp_path, "vip", fidelity=fidelity(False))
    assert "processor busy p95 is 97 %, more than 85 %" in shown([doubtful], 120)
    assert "not to be trusted" not in shown([result(tmp_path, "vip")], 120)
    assert "no results" in shown([], 80)


def test_verdicts_are_marked() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(terminal.verdicts([Verdict("steer", True, "3"), Verdict("lost [x]", False, "9")]))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split()[0] for line in lines] == ["✓", "✗"]
    assert "lost [x]" in lines[1]


def test_progress_on_a_pipe_is_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=100)
    with terminal.Progress(2, console) as progress:
        progress.start("vip pinned")
        progress.tell("measuring [all]", 8.0)
        progress.done("4 handovers")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[1/2] vip pinned: starting" in text
    assert "[1/2] vip pinned: measuring [all] (8 s)" in text
    assert "4 handovers" in text
    assert "\x1b" not in text


def test_progress_on_a_terminal_shows_the_stage_and_leaves_the_result() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with terminal.Progress(1, console) as progress:
        progress.start("vip")
        progress.tell("measuring", 8.0)
        progress.done()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "vip: measuring" in text
    assert "✓" in text
