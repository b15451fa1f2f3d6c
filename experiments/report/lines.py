"""The line plot of a sweep: a metric over a varied parameter, one line for each method, one panel for each metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from experiments.report import drawing, palette, summary
from experiments.report.drawing import Picture
from experiments.report.summary import COLUMNS, COUNTS, SHOWN_LARGE, Cell, Column
from experiments.results import RunResult
from meclab.quantity import duration_ns, fraction, rate_bps

WIDTH_IN, HEIGHT_IN = 9.6, 3.2
LEFT_IN, RIGHT_IN, FOOT_IN, HEAD_IN, BETWEEN_IN, LEGEND_IN = 0.55, 0.1, 0.5, 0.34, 0.5, 0.22
FEWEST_VALUES = 2
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
_COLOURS = (
    *(palette.BLUE, palette.ORANGE, palette.GREEN, palette.PURPLE),
    *(palette.VERMILLION, palette.SKY, palette.INK, palette.MUTED),
)


@dataclass(frozen=True)
class Line:
    """One method's values of one metric: (parameter, cell), in order of the parameter."""

    label: str
    points: tuple[tuple[float, Cell], ...]


def varied(parameters: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Parameters that take several values, all of them quantities, with the unit of their axis (ms below a second)."""
    keys = dict.fromkeys(key for one in parameters for key in one)
    found = {}
    for key in keys:
        values = {one[key] for one in parameters if key in one}
        units = {quantity[1] for value in values if (quantity := _quantity(value)) is not None}
        if len(values) >= FEWEST_VALUES and len(units) == 1 and all(_quantity(value) for value in values):
            largest = max(quantity[0] for value in values if (quantity := _quantity(value)) is not None)
            unit = units.pop()
            found[key] = "ms" if unit == "s" and largest < 1 else unit
    return found


def pictures(results: Sequence[RunResult], parameters: Sequence[Mapping[str, str]]) -> list[Picture]:
    """A picture for each varied parameter; values of the others go together."""
    found = []
    for number, (key, unit) in enumerate(varied(parameters).items(), 1):
        scale = 1000 if unit == "ms" else 1
        lines = {metric: _lines(results, parameters, key, scale, metric) for metric in SHOWN_LARGE}
        described = f"Steer, gap and interruption time over {key}, by method, medians with their spread"
        found.append(_picture(lines, f"sweep-{number}", f"{key}, {unit}" if unit else key, described))
    return found


def _lines(
    results: Sequence[RunResult], parameters: Sequence[Mapping[str, str]], key: str, scale: int, metric: str
) -> list[Line]:
    values: dict[str, dict[float, list[float | None]]] = {}
    for result, one in zip(results, parameters, strict=True):
        quantity = _quantity(one.get(key, ""))
        if quantity is not None:
            at = values.setdefault(summary.method_label(result), {}).setdefault(quantity[0] * scale, [])
            at += [getattr(handover, metric) for handover in result.handovers]
    return [
        Line(label, tuple((x, summary.cell(of_x, metric in COUNTS)) for x, of_x in sorted(by_x.items())))
        for label, by_x in values.items()
    ]


def _picture(lines: Mapping[str, Sequence[Line]], name: str, axis: str, described: str) -> Picture:
    columns = [column for column in COLUMNS if column.metric in lines]
    labels = list(dict.fromkeys(line.label for some in lines.values() for line in some))
    rows = (len(labels) + 3) // 4
    height_in = HEIGHT_IN + rows * LEGEND_IN
    with drawing.style():
        figure = drawing.new(WIDTH_IN, height_in)
        wide_in = (WIDTH_IN - RIGHT_IN - len(columns) * BETWEEN_IN - LEFT_IN + BETWEEN_IN) / len(columns)
        for i, column in enumerate(columns):
            left = (LEFT_IN + i * (wide_in + BETWEEN_IN)) / WIDTH_IN
            bottom = (FOOT_IN + rows * LEGEND_IN) / height_in
            size = wide_in / WIDTH_IN, (HEIGHT_IN - FOOT_IN - HEAD_IN) / height_in
            axes = figure.add_axes((left, bottom, *size))
            _panel(axes, column, lines[column.metric], labels, axis)
        handles = figure.axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="lower center", ncols=4, frameon=False, fontsize=8.0, handlelength=2.4)
        return drawing.picture(figure, name, described)


def _panel(axes: Axes, column: Column, lines: Sequence[Line], labels: Sequence[str], axis: str) -> None:
    axes.set_title(f"{column.title}, {column.unit}", loc="left", fontsize=9.5, fontweight="bold", pad=6)
    axes.set_xlabel(axis, fontsize=7.5)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    highest = 0.0
    for line in lines:
        number = labels.index(line.label)
        colour, mark = _COLOURS[number % len(_COLOURS)], _MARKS[number % len(_MARKS)]
        known = [(x, cell) for x, cell in line.points if cell.median is not None]
        medians = [cell.median or 0.0 for _, cell in known]
        xs = [x for x, _ in known]
        axes.plot(xs, medians, color=colour, marker=mark, markersize=4, linewidth=1.2, label=line.label)
        lows = [(x, cell.low) for x, cell in known if cell.low is not None]
        highs = [(x, cell.high) for x, cell in known if cell.high is not None]
        drawing.segments(axes, lows, highs, colour, 0.8)
        highest = max([highest, *medians, *(high for _, high in highs)])
    axes.set_ylim(0, highest * 1.08 or 1.0)


def _quantity(value: str) -> tuple[float, str] | None:
    """A setting as a number in the unit of its axis; none for what is no quantity."""
    for parse, scale, unit in ((duration_ns, 1e9, "s"), (rate_bps, 1e6, "Mbit/s"), (fraction, 1.0, "")):
        try:
            return parse(value if unit else float(value)) / scale, unit
        except (ValueError, TypeError):
            continue
    try:
        return float(value), ""
    except ValueError:
        return None
