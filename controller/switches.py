"""The connections to switches, whatever they speak, and how a step is brought to them: rules, then an answer each."""

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from controller.rules import Rule
from controller.transaction import Step
from meclab.messages import RuleClass

BARRIER_SECONDS = 2.0
"""A switch that has not answered by then counts as not reached."""


class Barrier:
    """A question to a switch whether it has done everything before."""

    def __init__(self) -> None:
        self.answered = False
        self._over = threading.Event()

    def end(self, answered: bool) -> None:
        """The answer has come, or never will."""
        self.answered = answered
        self._over.set()

    def wait(self, deadline_s: float) -> bool:
        """Whether the answer has come by then (`time.monotonic`); at once when the connection ends."""
        self._over.wait(max(0.0, deadline_s - time.monotonic()))
        return self.answered


class Channel(Protocol):
    """One connection of one switch, by OpenFlow or P4Runtime; safe to use from several threads, never waits."""

    @property
    def name(self) -> str:
        """The switch's."""

    @property
    def ready(self) -> bool:
        """Whether the switch holds what it should."""

    def hold(self, rules: Iterable[Rule]) -> None:
        """Has the switch hold these rules and no others; it is ready then. What is sent later comes after."""

    def send(self, add: Iterable[Rule], remove: Iterable[Rule] = (), then: RuleClass | None = None) -> Barrier:
        """Sends rules, to be added or changed and to be removed, in order; with `then` the barrier is answered, and
        the question counts as signalling of that class."""

    def close(self) -> None:
        """The connection has ended: nobody waits for its answers any more."""


class Switches:
    """The live connection of each switch."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}

    def connected(self, channel: Channel) -> None:
        """A switch has connected; an older connection of it is over."""
        before = self._channels.get(channel.name)
        self._channels[channel.name] = channel
        if before is not None:
            before.close()

    def disconnected(self, channel: Channel) -> bool:
        """A connection has ended; whether the switch is gone with it: not where another connection has replaced it."""
        channel.close()
        if self._channels.get(channel.name) is not channel:
            return False
        del self._channels[channel.name]
        return True

    @property
    def names(self) -> frozenset[str]:
        """Those that are connected."""
        return frozenset(self._channels)

    @property
    def ready(self) -> frozenset[str]:
        """Those that are connected and hold what they should."""
        return frozenset(name for name, channel in self._channels.copy().items() if channel.ready)

    def send(self, step: Step, then: RuleClass | None = None) -> dict[str, Barrier]:
        """Brings a step to its switches at the same time, without waiting; the barriers of those that are there."""
        return {
            name: channel.send(step.add.get(name, ()), step.remove.get(name, ()), then)
            for name in sorted(step.switches)
            if (channel := self._channels.get(name)) is not None
        }


def reached(barriers: Mapping[str, Barrier]) -> set[str]:
    """The switches that have answered, `BARRIER_SECONDS` for all of them together."""
    deadline_s = time.monotonic() + BARRIER_SECONDS
    return {name for name, barrier in barriers.items() if barrier.wait(deadline_s)}
