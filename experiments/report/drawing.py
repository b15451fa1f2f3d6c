"""Figures as SVG: one drawing gives a file for a paper and the same picture to put into a page.

The same data gives the same bytes: text is kept as text and measured with the font that comes with
matplotlib, identifiers are hashes of content, and there is no date.
"""

import io
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Shape

from experiments.report.palette import INK, MUTED, PAPER, RULE, VARIABLES

STYLE = {
    "svg.hashsalt": "meclab",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 8.0,
    "path.simplify": False,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
}
FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
"""What a viewer uses; each is narrower than the font that the layout is measured with."""

_FONT_FAMILY = re.compile(r"font-family: [^;\"]+")
_FONT_SHORTHAND = re.compile(r"(font: [^;\"]*?\d+(?:\.\d+)?px) [^;\"]+")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_STYLE_SHEET = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>\s*", re.DOTALL)
"""matplotlib's, which would hold for the whole page that a figure is part of."""
_WIDTH = re.compile(r'viewBox="0 0 ([0-9.]+) ')
_IDENTIFIER = re.compile(r'(\bid="|xlink:href="#|href="#|url\(#)')


@dataclass(frozen=True)
class Picture:
    """A figure: its name, what it shows in words, and its SVG as a file."""

    name: str
    description: str
    svg: str

    @property
    def width(self) -> float:
        """The drawing's width in its own units."""
        match = _WIDTH.search(self.svg)
        return float(match.group(1)) if match else 0.0

    @property
    def inline(self) -> str:
        """The SVG as part of a page: colours by the page's variables, its font, identifiers of its own."""
        body = self.svg[self.svg.index("<svg") :]
        body = _COLOUR.sub(lambda match: _variable(match.group()), body)
        body = _IDENTIFIER.sub(rf"\g<1>{self.name}-", body.replace(FONTS, "inherit"))
        opening, rest = body.split(">", 1)
        opening = re.sub(r'\s(width|height)="[^"]*"', "", opening)
        title = f"<title>{_escaped(self.description)}</title>"
        return f'{opening} role="img" aria-label="{_escaped(self.description)}">{title}{rest}'


def _variable(colour: str) -> str:
    return f"var({VARIABLES[colour]})" if colour in VARIABLES else colour


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def style() -> AbstractContextManager[None]:
    """The settings that figures are made, drawn on and saved with."""
    return mpl.rc_context(STYLE)  # type: ignore[arg-type]


def new(width_in: float, height_in: float) -> Figure:
    """An empty figure; draw on it inside `style()`."""
    figure = Figure(figsize=(width_in, height_in), facecolor=PAPER)
    FigureCanvasSVG(figure)
    return figure


def picture(figure: Figure, name: str, description: str) -> Picture:
    """The finished figure."""
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with style():
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = re.sub(r"<!DOCTYPE.*?>\s*", "", buffer.getvalue(), count=1, flags=re.DOTALL)
    text = _STYLE_SHEET.sub("", text, count=1).replace("<svg ", '<svg style="stroke-linejoin: round" ', 1)
    text = _FONT_FAMILY.sub(f"font-family: {FONTS}", text)
    text = _FONT_SHORTHAND.sub(rf"\1 {FONTS}", text)
    return Picture(name, description, re.sub(r" \n", "\n", text))


def segments(
    axes: Axes, starts: Sequence[tuple[float, float]], ends: Sequence[tuple[float, float]], colour: str, width: float
) -> None:
    """Many strokes as one path, which keeps the file small and drawing fast."""
    if not starts:
        return
    vertices = [point for pair in zip(starts, ends, strict=True) for point in pair]
    codes = [Shape.MOVETO, Shape.LINETO] * len(starts)
    stroke = PathPatch(Shape(vertices, codes), facecolor="none", edgecolor=colour, linewidth=width, capstyle="butt")
    axes.add_patch(stroke)


def dots(axes: Axes, points: Sequence[tuple[float, float]], colour: str, size: float, alpha: float = 1.0) -> None:
    """Many dots as one path of strokes without length and with round ends."""
    if not points:
        return
    vertices = [point for point in points for _ in range(2)]
    codes = [Shape.MOVETO, Shape.LINETO] * len(points)
    stroke = PathPatch(Shape(vertices, codes), facecolor="none", edgecolor=colour, linewidth=size, alpha=alpha)
    stroke.set_capstyle("round")
    axes.add_patch(stroke)
