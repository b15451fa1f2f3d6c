"""The strip plot: every handover as a point, the median as a stroke, one panel for each metric."""

import math
from collections.abc import Sequence

from matplotlib import ticker
from matplotlib.axes import Axes

from experiments.report import drawing, palette
from experiments.report.drawing import Picture
from experiments.report.summary import COLUMNS, SHOWN_LARGE, Column, Row

WIDTH_IN, ROW_IN, HEAD_IN, FOOT_IN = 9.6, 0.36, 0.34, 0.46
LEFT_IN, BETWEEN_IN, RIGHT_IN = 1.35, 0.25, 0.1
LOGARITHMIC_FROM = 40.0
"""A largest value so many times the smallest makes the scale logarithmic."""
_GOLDEN = (math.sqrt(5) - 1) / 2


def picture(rows: Sequence[Row], name: str, description: str) -> Picture:
    """One panel for each metric of `SHOWN_LARGE`, one line in it for each row."""
    columns = [column for column in COLUMNS if column.metric in SHOWN_LARGE]
    with drawing.style():
        longest = max((len(row.label) for row in rows), default=0)
        left_in = min(max(LEFT_IN, 0.075 * longest + 0.2), 3.2)
        height_in = HEAD_IN + ROW_IN * max(len(rows), 1) + FOOT_IN
        figure = drawing.new(WIDTH_IN, height_in)
        wide_in = (WIDTH_IN - left_in - RIGHT_IN - BETWEEN_IN * (len(columns) - 1)) / len(columns)
        for i, column in enumerate(columns):
            box = (left_in + i * (wide_in + BETWEEN_IN)) / WIDTH_IN, FOOT_IN / height_in
            axes = figure.add_axes((*box, wide_in / WIDTH_IN, (height_in - HEAD_IN - FOOT_IN) / height_in))
            _panel(axes, column, rows, labelled=i == 0)
        return drawing.picture(figure, name, description)


def _panel(axes: Axes, column: Column, rows: Sequence[Row], labelled: bool) -> None:
    values = [[getattr(handover, column.metric) for handover in row.handovers] for row in rows]
    known = [value for some in values for value in some if value is not None]
    axes.set_title(column.title, loc="left", fontsize=9.5, fontweight="bold", pad=6)
    axes.set_xlabel(f"{column.unit}, {_briefly(column.metric)}", fontsize=7.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [_shortened(row.label) for row in rows], fontsize=8.5)
    axes.tick_params(axis="y", length=0, labelleft=labelled, labelcolor=palette.INK)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    _scale(axes, known)
    for line, some in enumerate(values):
        present = [float(value) for value in some if value is not None]
        jitter = [0.34 * ((i * _GOLDEN) % 1 - 0.5) if len(present) > 1 else 0.0 for i in range(len(present))]
        points = [(value, line + shift) for value, shift in zip(present, jitter, strict=True)]
        drawing.dots(axes, points, palette.BLUE, 4.5 if len(present) < 50 else 3.0, 0.75 if len(present) < 50 else 0.4)
        _median(axes, column, rows[line], line, len(some) - len(present))


def _scale(axes: Axes, known: Sequence[float]) -> None:
    high = max(known, default=1.0) or 1.0
    low = min((value for value in known if value > 0), default=high)
    if high / low > LOGARITHMIC_FROM:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.6, high * 4)
        axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    else:
        axes.set_xlim(0, high * 1.32)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def _median(axes: Axes, column: Column, row: Row, line: int, missing: int) -> None:
    cell = row.cell(column.metric)
    if cell.median is None:
        words = "never" if missing else "no handover"
        where = axes.get_xlim()[0]
        axes.annotate(
            words,
            (where, line),
            xytext=(6, 0),
            textcoords="offset points",
            va="center_baseline",
            color=palette.MUTED,
            fontstyle="italic",
        )
        return
    drawing.segments(axes, [(cell.median, line - 0.28)], [(cell.median, line + 0.28)], palette.INK, 1.8)
    furthest = max(float(value) for value in (getattr(h, column.metric) for h in row.handovers) if value is not None)
    note = f"{cell.median:.1f}" + (f"  ({missing} never)" if missing else "")
    axes.annotate(note, (furthest, line), xytext=(7, 0), textcoords="offset points", va="center_baseline")


def _briefly(metric: str) -> str:
    return {
        "steer_ms": "attach to first reply from the decided host",
        "gap_ms": "silence of the probes around the move",
        "interruption_ms": "longest wait for a session response",
    }[metric]


def _shortened(label: str) -> str:
    return label if len(label) <= 38 else label[:37] + "…"
