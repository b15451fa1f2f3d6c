"""Quantities with their units, as users write them: `30ms`, `100Mbit`, `0.5%`, `64KiB`."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema

_NUMBER = re.compile(r"^\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-zµ%/]*)\s*$")

_DURATION_NS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000}
_RATE_BPS = {"bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
_SIZE_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "kib": 2**10, "mib": 2**20}


def _scaled(value: Any, units: dict[str, int], example: str) -> int:
    match = _NUMBER.match(value) if isinstance(value, str) else None
    unit = match.group(2) if match else ""
    scale = units.get(unit) or units.get(unit.lower())
    if match is None or scale is None or float(match.group(1)) < 0:
        raise ValueError(f"a number of at least 0 with a unit ({', '.join(units)}), such as {example}")
    return round(float(match.group(1)) * scale)


def _given(value: Any, info: ValidationInfo | None) -> bool:
    """Whether a value is in the base unit already; a person who writes a file must name the unit of all but 0.

    Who reads such a file validates with the context `{"written": True}`.
    """
    written = info is not None and info.context is not None and info.context.get("written", False)
    return type(value) is int and (value == 0 if written else value >= 0)


def duration_ns(value: Any, info: ValidationInfo | None = None) -> int:
    """Nanoseconds of `30ms`; an integer is taken as nanoseconds already."""
    return value if _given(value, info) else _scaled(value, _DURATION_NS, "30ms")


def rate_bps(value: Any, info: ValidationInfo | None = None) -> int:
    """Bits per second of `100Mbit` (powers of ten); an integer is taken as bit/s already."""
    bps = value if _given(value, info) else _scaled(value, _RATE_BPS, "100Mbit")
    if bps == 0:
        raise ValueError("a rate above 0, such as 100Mbit; leave the key out for no limit")
    return bps


def size_bytes(value: Any, info: ValidationInfo | None = None) -> int:
    """Bytes of `64KiB`; an integer is taken as bytes already."""
    return value if _given(value, info) else _scaled(value, _SIZE_BYTES, "64KiB")


def fraction(value: Any) -> float:
    """A share between 0 and 1, from `0.5%` or `0.005`."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            value = float(value.strip()[:-1]) / 100
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("a share from 0 to 1, or a percentage such as 0.5%")
    return float(value)


def duration_text(ns: int) -> str:
    """`30ms` of nanoseconds, in the largest unit that leaves no fraction."""
    return _text(ns, {unit: _DURATION_NS[unit] for unit in ("s", "ms", "us", "ns")})


def rate_text(bps: int) -> str:
    """`100Mbit` of bits per second."""
    return _text(bps, {"Gbit": 10**9, "Mbit": 10**6, "kbit": 10**3, "bit": 1})


def _text(value: int, units: dict[str, int]) -> str:
    for unit, scale in units.items():
        if value >= scale and value % scale == 0:
            return f"{value // scale}{unit}"
    return f"{value}{list(units)[-1]}"


def _duration(value: Any, info: ValidationInfo) -> int:
    return duration_ns(value, info)


def _rate(value: Any, info: ValidationInfo) -> int:
    return rate_bps(value, info)


def _size(value: Any, info: ValidationInfo) -> int:
    return size_bytes(value, info)


def _schema(units: str) -> WithJsonSchema:
    pattern = rf"^\s*\d+(\.\d+)?\s*({units})$"
    return WithJsonSchema({"anyOf": [{"type": "string", "pattern": pattern}, {"type": "integer", "minimum": 0}]})


Duration = Annotated[
    int, BeforeValidator(_duration), PlainSerializer(duration_text, when_used="json"), _schema("ns|us|µs|ms|s|min")
]
"""Nanoseconds; written `30ms`."""
Rate = Annotated[int, BeforeValidator(_rate), PlainSerializer(rate_text, when_used="json"), _schema("[kKmMgG]?bit")]
"""Bits per second; written `100Mbit`."""
Size = Annotated[
    int, BeforeValidator(_size), PlainSerializer(lambda n: f"{n}B", when_used="json"), _schema("B|kB|MB|KiB|MiB")
]
"""Bytes; written `64KiB`."""
Fraction = Annotated[
    float,
    BeforeValidator(fraction),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^\s*(100(\.0+)?|\d{1,2}(\.\d+)?)\s*%\s*$"},
            ]
        }
    ),
]
"""A share from 0 to 1; may be written `0.5%`."""
