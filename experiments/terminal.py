"""What a person sees on the terminal: the comparison on standard output, progress on standard error."""

import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.progress import Progress as Bars
from rich.progress import ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from experiments.report import summary, words
from experiments.report.summary import COLUMNS, SHOWN_LARGE, Column, Row
from experiments.results import RunResult
from meclab.expectations import Verdict


def comparison(results: Sequence[RunResult], parameters: Sequence[Mapping[str, str]] | None = None) -> RenderableType:
    """The comparison table with notes on what not to trust; its form follows the terminal's width."""
    return Comparison(summary.rows(results, parameters))


class Comparison:
    """Methods as rows where the terminal is wide enough, as columns where not, else a block for each."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._rows:
            yield Text("no results", style="dim")
            return
        forms = [form(self._rows, spreads) for form in (_wide, _tall) for spreads in (_EVERY, _LARGE, _NONE)]
        forms += [_short(self._rows, spreads) for spreads in (_LARGE, _NONE)]
        fitting = next((form for form in forms if _width(console, options, form) <= options.max_width), None)
        yield fitting or Group(*(_tall([row], _LARGE) for row in self._rows))
        yield from self._notes()

    def _notes(self) -> RenderResult:
        if any(row.cell(c.metric).spread for row in self._rows for c in COLUMNS):
            yield Text("medians; in brackets the range, from 6 handovers on the 95 % interval of a time", style="dim")
        for row in self._rows:
            for note in row.notes():
                yield Text.assemble((f"{row.label}  ", "bold"), note)
            for result in row.results:
                doubts = ["the run is incomplete"] if result.status == "incomplete" else []
                doubts += result.fidelity.reasons
                if doubts:
                    more = f"; and {words.plural(len(doubts) - 1, 'more reason')}" if len(doubts) > 1 else ""
                    said = f"{row.label}, seed {result.seed}: {doubts[0]}{more}"
                    yield Text.assemble(("not to be trusted  ", "bold yellow"), said)


_EVERY, _LARGE, _NONE = frozenset(column.metric for column in COLUMNS), frozenset(SHOWN_LARGE), frozenset[str]()
"""Metrics whose spread is shown, by how much room there is."""
_TELLING = frozenset({*SHOWN_LARGE, "rtt_after_ms", "lost", "resets", "signalling_msgs"})
"""Metrics that a narrow terminal shows of many methods."""


def _width(console: Console, options: ConsoleOptions, table: Table) -> int:
    return Measurement.get(console, options.update(width=10_000), table).maximum


def _wide(rows: Sequence[Row], spreads: frozenset[str], columns: Sequence[Column] = COLUMNS) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    table.add_column("\n\nmethod", style="bold", no_wrap=True)
    for column in columns:
        table.add_column(f"{column.title.replace(' ', chr(10))}\n[dim]{column.unit}[/]", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.label, *(_stacked(row, column, spreads) for column in columns))
    return table


def _short(rows: Sequence[Row], spreads: frozenset[str]) -> Table:
    """The columns that tell methods apart; the page has the others."""
    return _wide(rows, spreads, [column for column in COLUMNS if column.metric in _TELLING])


def _tall(rows: Sequence[Row], spreads: frozenset[str]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    table.add_column("", no_wrap=True)
    for row in rows:
        table.add_column(row.label.replace(" ", "\n"), justify="right", no_wrap=True)
    for column in COLUMNS:
        name = Text.assemble(f"{column.title} ", (column.unit, "dim"))
        table.add_row(name, *(_stacked(row, column, spreads) for row in rows))
    return table


def _stacked(row: Row, column: Column, spreads: frozenset[str]) -> Text:
    """The median, and below it its spread where asked for, and how many handovers have none."""
    cell = row.cell(column.metric)
    style = "bold cyan" if column.metric in SHOWN_LARGE and cell.median is not None else ""
    text = Text(words.cell(cell, column.digits), style=style)
    if cell.spread and column.metric in spreads:
        text.append(f"\n({words.spread(cell, column.digits)})", style="not bold dim default")
    if cell.missing and cell.count:
        text.append(
            f"\n{cell.missing} {'never' if column.metric == 'steer_ms' else 'without'}", style="not bold yellow"
        )
    return text


def verdicts(found: Iterable[Verdict]) -> RenderableType:
    """A line for each expectation."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for verdict in found:
        mark = Text("✓", style="green") if verdict.holds else Text("✗", style="bold red")
        table.add_row(mark, Text(verdict.statement), Text(verdict.found, style="" if verdict.holds else "red"))
    return table


class Progress:
    """Progress of one or several runs on standard error: a moving line on a terminal, plain lines elsewhere.

    Use as a context manager; `start` a run, `tell` its stages, say when it is `done`.
    """

    def __init__(self, runs: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._runs = runs
        self._number = 0
        self._label = ""
        self._began_s = 0.0
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            _TimedBar(),
            TimeElapsedColumn(),
        )
        self._bars = Bars(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bars.add_task("", total=None, visible=False, seconds=None)

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._bars.stop()

    def start(self, label: str) -> None:
        """The next run begins."""
        self._number += 1
        self._label = f"[{self._number}/{self._runs}] {label}" if self._runs > 1 else label
        self._began_s = time.monotonic()
        self.tell("starting")

    def tell(self, stage: str, seconds: float | None = None) -> None:
        """What the run does now, and for how long where that is known."""
        line = f"{self._label}: {stage}" if self._label else stage
        if self._console.is_terminal:
            self._bars.reset(self._task, description=line, visible=True, seconds=seconds)
        else:
            self._console.print(line + (f" ({seconds:.0f} s)" if seconds else ""), markup=False, soft_wrap=True)

    def done(self, note: str = "") -> None:
        """The run has ended; the line stays on the screen."""
        took = f"{time.monotonic() - self._began_s:.1f} s"
        line = "  ".join(filter(None, (self._label, took, note)))
        self._console.print(Text.assemble(("✓ ", "green"), line), soft_wrap=True)


class _TimedBar(ProgressColumn):
    """A bar that fills with the time a stage is known to take; nothing where it is not known."""

    max_refresh = 0.1

    def render(self, task: Task) -> RenderableType:
        seconds = task.fields.get("seconds")
        if not seconds:
            return Text("")
        return ProgressBar(total=seconds, completed=min(task.elapsed or 0.0, seconds), width=24)
