"""The timeline picture: what a device saw around a handover, one panel for each method or each handover."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib import ticker
from matplotlib.axes import Axes

from experiments.report import drawing, palette
from experiments.report.drawing import Picture
from experiments.report.windows import Window, bands, span_ms

WIDTH_IN, PANEL_IN, STRIP_IN, HEAD_IN, FOOT_IN = 9.6, 1.05, 0.34, 0.42, 0.42
GAP_IN, TITLE_IN, LEFT_IN, RIGHT_IN = 0.06, 0.34, 0.72, 0.1
_POINTS_PER_LETTER = 4.6
_LABEL_GAP = 4.0


@dataclass(frozen=True)
class Panel:
    """One timeline: its title, a few words on the right, and the window."""

    title: str
    note: str
    window: Window


@dataclass(frozen=True)
class Instant:
    """A vertical line with a name."""

    at_ms: float
    name: str
    colour: str
    style: str

    @property
    def text(self) -> str:
        """`detach −30.0 ms`."""
        return f"{self.name} {self.at_ms:+.1f} ms".replace("-", "−") if self.at_ms else f"{self.name} 0"


def picture(panels: Sequence[Panel], name: str, description: str) -> Picture:
    """Panels one below the other, with one scale of time and one of RTT for all."""
    with drawing.style():
        pitch_in = TITLE_IN + PANEL_IN + GAP_IN + STRIP_IN
        height_in = HEAD_IN + len(panels) * pitch_in + FOOT_IN
        figure = drawing.new(WIDTH_IN, height_in)
        span = span_ms(panel.window for panel in panels)
        top_ms = 1.32 * max((_highest(panel.window, span) for panel in panels), default=1.0)
        colours = palette.host_colours(sorted({host for panel in panels for host in panel.window.hosts}))
        for i, panel in enumerate(panels):
            below_in = height_in - HEAD_IN - (i + 1) * pitch_in

            def axes(bottom_in: float, tall_in: float) -> Axes:
                box = (LEFT_IN / WIDTH_IN, bottom_in / height_in)
                wide = (WIDTH_IN - LEFT_IN - RIGHT_IN) / WIDTH_IN
                made = figure.add_axes((*box, wide, tall_in / height_in))
                made.set_xlim(*span)
                return made

            above, below = axes(below_in + STRIP_IN + GAP_IN, PANEL_IN), axes(below_in, STRIP_IN)
            _replies(above, panel, colours, top_ms)
            _effects(below, panel.window, colours, span)
            _instants(above, below, panel.window, named=i == 0)
            below.tick_params(labelbottom=i == len(panels) - 1)
        if panels:
            below.set_xlabel(_time_axis([panel.window for panel in panels]), fontsize=8.5)
        return drawing.picture(figure, name, description)


def _time_axis(windows: Sequence[Window]) -> str:
    moves = any(window.moves for window in windows)
    return "ms from the attach to the new access point" if moves else "ms from the event"


def _highest(window: Window, span: tuple[float, float]) -> float:
    return max((reply.rtt_ms for reply in window.replies if span[0] <= reply.at_ms <= span[1]), default=1.0)


def _replies(axes: Axes, panel: Panel, colours: Mapping[str, str], top_ms: float) -> None:
    """RTT of each probe as a dot at the time of its reply; who serves as a band above."""
    start, end = axes.get_xlim()
    axes.set_ylim(0, top_ms)
    axes.yaxis.set_major_locator(ticker.MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.grid(axis="y")
    axes.set_ylabel("RTT, ms")
    axes.tick_params(labelbottom=False, bottom=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_title(panel.title, loc="left", fontsize=9.5, fontweight="bold", pad=5)
    axes.set_title(panel.note, loc="right", fontsize=8, color=palette.MUTED, pad=5)
    inside = [reply for reply in panel.window.replies if start <= reply.at_ms <= end]
    for host in panel.window.hosts:
        points = [(reply.at_ms, reply.rtt_ms) for reply in inside if reply.host == host]
        drawing.dots(axes, points, colours[host], 3.0 if len(inside) < 300 else 1.8)
    if not inside:
        words = "no probe was answered in this time"
        axes.text(0.5, 0.45, words, color=palette.MUTED, transform=axes.transAxes, ha="center", va="center")
    low, high = 0.86 * top_ms, top_ms
    for band in bands(inside):
        left, right = max(band.start_ms, start), min(band.end_ms, end)
        axes.fill([left, right, right, left], [low, low, high, high], color=colours[band.host], alpha=0.3, linewidth=0)
        drawing.segments(axes, [(left, low)], [(right, low)], colours[band.host], 1.6)
        points_wide = (right - left) / (end - start) * (WIDTH_IN - LEFT_IN - RIGHT_IN) * 72
        if points_wide > _POINTS_PER_LETTER * len(band.host) + 4:
            middle = (left + right) / 2
            axes.text(middle, (low + high) / 2, band.host, ha="center", va="center_baseline", fontsize=7.5)


def _effects(axes: Axes, window: Window, colours: Mapping[str, str], span: tuple[float, float]) -> None:
    """Losses as strokes, and session requests as bars from request to response."""
    start, end = span
    axes.set_ylim(0, 2)
    axes.set_yticks([1.5, 0.5], ["lost", "requests"], fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    lost = [at_ms for at_ms in window.lost_ms if start <= at_ms <= end]
    drawing.segments(axes, [(x, 1.15) for x in lost], [(x, 1.85) for x in lost], palette.VERMILLION, 1.3)
    for host in dict.fromkeys(request.host for request in window.requests):
        mine = [r for r in window.requests if r.host == host and r.done_ms is not None]
        mine = [r for r in mine if r.done_ms is not None and r.done_ms >= start and r.sent_ms <= end]
        ends = [(min(r.done_ms or 0.0, end), 0.45) for r in mine]
        starts = [(max(r.sent_ms, start), 0.45) for r in mine]
        drawing.segments(axes, starts, ends, colours.get(host, palette.MUTED), 4.5)
    failed = [r.sent_ms for r in window.requests if r.done_ms is None and start <= r.sent_ms <= end]
    axes.plot(failed, [0.45] * len(failed), "x", color=palette.INK, markersize=4.5, markeredgewidth=1.2)


def _instants(above: Axes, below: Axes, window: Window, named: bool) -> None:
    """Detach, attach and decision as vertical lines through both axes; their names only where asked."""
    start, end = above.get_xlim()
    if window.detach_ms is not None and window.detach_ms < 0:
        for axes in (above, below):
            axes.axvspan(window.detach_ms, 0, color=palette.WASH, zorder=0, linewidth=0)
    instants = [instant for instant in _named_instants(window) if start <= instant.at_ms <= end]
    for instant in instants:
        for axes in (above, below):
            axes.axvline(instant.at_ms, color=instant.colour, linestyle=instant.style, linewidth=1.0, zorder=1)
    if not named:
        return
    per_ms = (WIDTH_IN - LEFT_IN - RIGHT_IN) * 72 / (end - start)
    texts = [instant.text for instant in instants]
    for instant, text, (right, level) in zip(
        instants,
        texts,
        _placed([(i.at_ms * per_ms, len(t)) for i, t in zip(instants, texts, strict=True)]),
        strict=True,
    ):
        above.annotate(
            text,
            (instant.at_ms, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-_LABEL_GAP if right else _LABEL_GAP, 18 + 10 * level),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=7.5,
            color=palette.MUTED if instant.style != "-" else palette.INK,
            arrowprops=None,
        )
        length = 1.0 + (26 + 10 * level) / (PANEL_IN * 72)
        above.plot(
            [instant.at_ms] * 2,
            [1.0, length],
            transform=above.get_xaxis_transform(),
            clip_on=False,
            color=instant.colour,
            linestyle=instant.style,
            linewidth=1.0,
        )


def _named_instants(window: Window) -> list[Instant]:
    moved = "attach" if window.moves else "event"
    found = [Instant(0.0, moved, palette.INK, "-")]
    if window.detach_ms is not None:
        found.append(Instant(window.detach_ms, "detach", palette.MUTED, "--"))
    if window.decision_ms is not None:
        found.append(Instant(window.decision_ms, "decision", palette.GREEN, ":"))
    return sorted(found, key=lambda instant: instant.at_ms)


def _placed(labels: Sequence[tuple[float, int]]) -> list[tuple[bool, int]]:
    """For labels (position in points, letters) in order: whether to hang it to the left of its line, and its level.

    Up to the attach they hang to the left, after it to the right; those that would meet take another level.
    """
    taken: dict[int, list[tuple[float, float]]] = {}
    placed = []
    for position, letters in labels:
        wide = letters * _POINTS_PER_LETTER + 2 * _LABEL_GAP
        left = position <= 0
        extent = (position - wide, position) if left else (position, position + wide)
        level = 0
        while any(extent[0] < other[1] and other[0] < extent[1] for other in taken.get(level, [])):
            level += 1
        taken.setdefault(level, []).append(extent)
        placed.append((left, level))
    return placed
