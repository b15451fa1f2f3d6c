"""A change of intents as steps: which switch changes what, and in which order.

The order loses no packet of a device that is attached to two access points at once:

1. the device's new edge: pinned connections, then its rule for the virtual address, then its forwarding entry;
2. the other switches, those nearer the new access point first: a switch that sends a device's frames on does so
   only when the next one knows where to send them;
3. what is stale goes, everywhere at once. Nothing that is in place now needs it to be gone: what comes next goes to
   a switch on the same connection, behind it. So this step is waited for only where somebody asked for it to go.

Several devices go through these together, each by its own access point. Within a switch the rules of a step are sent
in order on one connection. A step is over when every switch in it has answered a barrier.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.intents import Intents
from controller.rules import Key, Rule, Rules
from meclab.messages import RuleClass

_FIRST = (RuleClass.PIN, RuleClass.STEER, RuleClass.ATTACH, RuleClass.BASE)
"""Within a switch: a pinned connection's rule is there before the device's."""

Place = tuple[str, Key]
"""A switch, and which of its rules."""


@dataclass
class Step:
    """What the switches do at the same time."""

    add: dict[str, list[Rule]] = field(default_factory=dict)
    """Rules to add or to change, by switch, in order."""
    remove: dict[str, list[Rule]] = field(default_factory=dict)

    @property
    def switches(self) -> set[str]:
        return {*self.add, *self.remove}

    @property
    def only_removes(self) -> bool:
        """Whether it is the step in which what is stale goes."""
        return not self.add

    def leave_out(self, newer: "Step") -> None:
        """Adds nothing that a newer step decides otherwise."""
        for switch, rules in self.add.items():
            decided = {rule.key for rule in [*newer.add.get(switch, ()), *newer.remove.get(switch, ())]}
            rules[:] = [rule for rule in rules if rule.key not in decided]


def steps(rules: Rules, before: Intents, after: Intents) -> list[Step]:
    """The steps from one set of intents to another; computes only the devices and breakouts that differ."""
    devices = _changed_devices(before, after)
    old = _collect(rules, before, after, devices)
    new = _collect(rules, after, before, devices)
    changed = [(place, rule, rank) for place, (rule, rank) in new.items() if place not in old or old[place][0] != rule]
    found: dict[int, Step] = {}
    for (switch, _), rule, rank in sorted(changed, key=lambda change: _FIRST.index(change[1].kind)):
        found.setdefault(rank, Step()).add.setdefault(switch, []).append(rule)
    last = Step()
    for place, (rule, _) in old.items():
        if place not in new:
            last.remove.setdefault(place[0], []).append(rule)
    return [found[rank] for rank in sorted(found)] + ([last] if last.remove else [])


def _changed_devices(before: Intents, after: Intents) -> set[str]:
    if before.breakouts != after.breakouts:
        return {*before.serving, *after.serving, *_differing(before.attachments, after.attachments)}
    changed = _differing(before.attachments, after.attachments) | _differing(before.serving, after.serving)
    return changed | _differing(before.pins, after.pins)


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    if before is after:
        return set()
    return {name for name in {**before, **after} if before.get(name) != after.get(name)}


def _collect(rules: Rules, intents: Intents, other: Intents, devices: Iterable[str]) -> dict[Place, tuple[Rule, int]]:
    """Each rule that may not be the same by the other intents, with its rank: how many switches lie between its own
    and its device's access point."""
    found: dict[Place, tuple[Rule, int]] = {}
    for device in devices:
        ap = intents.attachments.get(device)
        hops = rules.network.hops[ap] if ap is not None else {}
        for switch, rule in rules.of_device(intents, device, unlike=other):
            found[switch, rule.key] = rule, hops.get(switch, 0)
    for breakout in intents.breakouts - other.breakouts:
        for switch, rule in rules.breakout(breakout):
            found[switch, rule.key] = rule, 0
    return found
