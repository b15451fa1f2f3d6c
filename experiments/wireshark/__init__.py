"""Wireshark: display filters by method, and a profile with columns, colours and these filters.

The profile is a folder as Wireshark keeps it, and the dissector of probes is a plugin; `WIRESHARK_CONFIG_DIR` set to
this folder makes both visible to Wireshark and tshark without copying them anywhere.
"""

from functools import cache
from pathlib import Path

from experiments import yaml_source
from meclab.methods import MethodName
from meclab.model import Model

FOLDER = Path(__file__).parent
PROFILE = "meclab"
PROFILE_FOLDER = FOLDER / "profiles" / PROFILE
DISSECTOR = FOLDER / "plugins" / "meclab.lua"
"""Shows probes and the stamps in them; loaded from here too."""


class Filter(Model):
    """A display filter and what it shows."""

    method: str
    """A method's name, or `all`."""
    name: str
    filter: str
    shows: str
    file: str
    """The capture that it is meant for."""
    at_least: int
    """Packets that it shows in a run of `handover` with two moves."""


@cache
def filters() -> tuple[Filter, ...]:
    """Every filter of `filters.yaml`, in its order."""
    content = yaml_source.plain(yaml_source.parse(FOLDER / "filters.yaml"))
    return tuple(Filter.model_validate(one) for one in content["filters"])


def of_method(name: MethodName) -> tuple[Filter, ...]:
    """The filters for a run of a method: those of every method, then its own."""
    return tuple(one for one in filters() if one.method in ("all", name))


def display_filters() -> str:
    """The profile's `dfilters` file: what Wireshark lists beside its filter field."""
    return "".join(f'"{one.method}: {one.name}" {one.filter}\n' for one in filters())
