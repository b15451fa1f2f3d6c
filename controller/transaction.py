"""A change of intents as steps: which switch changes what, and in which order.

The order loses no packet of a device that is attached to two access points at once:

1. the device's new edge: pinned connections, then its rule for the virtual address, then its forwarding entry;
2. the other switches, those nearer the new access point first: a switch that sends a device's frames on does so
   only when the next one knows where to send them;
3. what is stale goes, everywhere at once.

Within a switch the rules of a step are sent in order on one connection. A step is over when every switch in it has
answered a barrier.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.intents import Intents, Network
from controller.rules import Key, Rule, Rules, SwitchRule
from meclab.messages import RuleClass
from meclab.plan import Breakout

_FIRST = (RuleClass.PIN, RuleClass.STEER, RuleClass.ATTACH, RuleClass.BASE)
"""Within a switch: a pinned connection's rule is there before the device's."""


@dataclass
class Step:
    """What the switches do at the same time."""

    add: dict[str, list[Rule]] = field(default_factory=dict)
    """Rules to add or to change, by switch, in order."""
    remove: dict[str, list[Rule]] = field(default_factory=dict)

    @property
    def switches(self) -> set[str]:
        return {*self.add, *self.remove}


def steps(rules: Rules, before: Intents, after: Intents) -> list[Step]:
    """The steps from one set of intents to another; computes only the devices and breakouts that differ."""
    devices = _changed_devices(before, after)
    old = _collect(rules, before, devices, before.breakouts - after.breakouts)
    new = _collect(rules, after, devices, after.breakouts - before.breakouts)
    added = [pair for pair, rule in new.items() if old.get(pair) != rule]
    found: dict[int, Step] = {}
    for pair in sorted(added, key=lambda pair: _FIRST.index(new[pair].kind)):
        switch, _ = pair
        rank = _rank(rules.network, after, devices, switch)
        found.setdefault(rank, Step()).add.setdefault(switch, []).append(new[pair])
    last = Step()
    for pair, rule in old.items():
        if pair not in new:
            last.remove.setdefault(pair[0], []).append(rule)
    return [found[rank] for rank in sorted(found)] + ([last] if last.remove else [])


def _changed_devices(before: Intents, after: Intents) -> set[str]:
    changed = {c.device for c, _ in before.pins.items() ^ after.pins.items()}
    for old, new in ((before.attachments, after.attachments), (before.serving, after.serving)):
        changed |= {device for device, _ in old.items() ^ new.items()}
    if before.breakouts != after.breakouts:
        changed |= after.serving.keys() | before.serving.keys()
    return changed


def _collect(
    rules: Rules, intents: Intents, devices: Iterable[str], breakouts: Iterable[Breakout]
) -> dict[tuple[str, Key], Rule]:
    pairs: list[SwitchRule] = []
    for device in devices:
        pairs += rules.of_device(intents, device)
    for breakout in breakouts:
        pairs += rules.breakout(breakout)
    return {(switch, rule.key): rule for switch, rule in pairs}


def _rank(network: Network, after: Intents, devices: Iterable[str], switch: str) -> int:
    """How many switches lie between this one and the nearest access point that one of the devices is at."""
    aps = {after.attachments[device] for device in devices if device in after.attachments}
    return min((network.hops[ap][switch] for ap in aps), default=0)
