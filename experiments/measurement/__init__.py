"""From the captures of a run to its tables and its public result."""

from experiments.measurement.run import measure

__all__ = ["measure"]
