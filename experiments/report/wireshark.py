"""Display filters that fit a run, to see in Wireshark what the report tells."""

from collections.abc import Sequence

from experiments import wireshark
from experiments.wireshark import Filter
from meclab.plan import Plan


def filters(plans: Sequence[Plan]) -> tuple[Filter, ...]:
    """The filters of every method among the plans, each once, in the profile's order."""
    methods = {plan.method.name for plan in plans}
    wanted = {one for name in methods for one in wireshark.of_method(name)}
    return tuple(one for one in wireshark.filters() if one in wanted)
