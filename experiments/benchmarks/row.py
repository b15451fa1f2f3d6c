"""What a benchmark says: one row per figure."""

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """One figure, as measured on this machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: str
    what: str
    """What was measured, with its conditions."""
    measured: str
    """The figure in words, with its unit."""
    target: str = ""
    """What the lab sets out to reach; empty where the figure is only reported."""
    holds: bool | None = None
    """Whether the target was reached; none where there is none."""


def at_most(benchmark: str, what: str, value: float | None, target: float, unit: str) -> Row:
    """A row whose figure must not exceed a target."""
    return _bounded(benchmark, what, value, f"at most {target:g} {unit}", unit, value is not None and value <= target)


def at_least(benchmark: str, what: str, value: float | None, target: float, unit: str) -> Row:
    """A row whose figure must reach a target."""
    return _bounded(benchmark, what, value, f"at least {target:g} {unit}", unit, value is not None and value >= target)


def _figures(value: float) -> str:
    """Three significant figures, never as a power of ten."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _bounded(benchmark: str, what: str, value: float | None, target: str, unit: str, holds: bool) -> Row:
    measured = "nothing" if value is None else f"{_figures(value)} {unit}".rstrip()
    return Row(benchmark=benchmark, what=what, measured=measured, target=target.rstrip(), holds=holds)
