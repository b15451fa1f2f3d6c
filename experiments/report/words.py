"""Numbers and results in words, the same on pages and terminal."""

from collections.abc import Sequence

from experiments.report.summary import Cell
from meclab.quantity import duration_text

NOTHING = "–"


def number(value: float | int | None, digits: int = 1) -> str:
    """`12.3`, or a dash for what was not measured; from 1000 on without a fraction and with thin spaces."""
    if value is None:
        return NOTHING
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", "\u2009")
    text = f"{value:.{digits}f}"
    return "0" if digits and float(text) == 0 and value == 0 else text.replace("-", "−")


def cell(value: Cell, digits: int = 1) -> str:
    """The median of a cell; a count between two values keeps its half."""
    if value.median is None:
        return NOTHING
    return number(value.median, 0 if digits == 0 and value.median == int(value.median) else max(digits, 1))


def spread(value: Cell, digits: int = 1) -> str:
    """`11.9–13.0`, or nothing where there is no spread to tell."""
    if not value.spread:
        return ""
    return f"{number(value.low, digits)}–{number(value.high, digits)}"


def share(value: float | None) -> str:
    """`62 %`."""
    return NOTHING if value is None else f"{100 * value:.0f} %"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """`1 handover`, `3 handovers`."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"


def size(count: int) -> str:
    """`1.4 MB` of bytes."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"


def duration(ns: int) -> str:
    """`30 ms` of nanoseconds."""
    text = duration_text(ns)
    digits = text.rstrip("numsiµ")
    return f"{digits} {text[len(digits) :]}"


def listed(items: Sequence[str], most: int = 6) -> str:
    """`a, b and c`; the rest of a long list as a number."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join(part for part in (", ".join(items[:-1]), items[-1] if items else "") if part)
