"""Plays a plan's events against the running network, each made visible by a marker frame."""

import subprocess
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from meclab.errors import RunError
from meclab.packets import APP_PORT, Marker
from meclab.plan import Plan
from meclab.scenario import Event, Failure, Handover, LinkChange, Load, Pin, Restore

SERVING_PROGRAMS = ("echo", "app", "speaker", "rdns", "adns", "fwd", "easdf", "smf", "front")
"""Those that die with a host's processes, as far as it runs them; a platform and its local resolver stay."""
Action = tuple[int, Callable[[], object]]
"""When, in ns from the beginning, and what."""


class Stage(Protocol):
    """What the timeline acts on: the running lab."""

    plan: Plan

    def handover(self, device: str, ap: str) -> None: ...
    def change_link(self, change: LinkChange) -> None: ...
    def link_down(self, a: str, b: str) -> None: ...
    def link_up(self, a: str, b: str) -> None: ...
    def silence(self, host: str, silent: bool) -> None: ...
    def kill_programs(self, host: str) -> None: ...
    def start_programs(self, host: str) -> None: ...
    def run_on(self, node: str, argv: list[str]) -> subprocess.CompletedProcess[str]: ...
    def mark(self, marker: Marker) -> None: ...
    def join(self, device: str) -> None: ...
    def prepare(self, device: str, ap: str) -> None: ...
    def pin(self, device: str, host: str | None) -> list[str]: ...


class Timeline:
    """The events of one run, in order of time."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        plan = stage.plan
        events = [(event.at, partial(self._play, event)) for event in plan.events]
        joins = [(device.joins_ns, partial(stage.join, device.name)) for device in plan.devices if device.joins_ns]
        actions: list[Action] = [*joins, *self._preparations(), *events]
        self._actions = sorted(actions, key=lambda action: action[0])
        self._failed: dict[str, list[Failure]] = {}

    def _preparations(self) -> list[Action]:
        """The orchestrator hears of each handover ahead, where the policy has it so."""
        plan = self._stage.plan
        if not plan.policy.prepare:
            return []
        moves = [(event.at, event.handover) for event in plan.events if event.handover is not None]
        return [(max(0, at_ns - plan.policy.lead), partial(self._prepare, move)) for at_ns, move in moves]

    def _prepare(self, move: Handover) -> None:
        self._stage.prepare(move.device, move.to)

    def run(self, check: Callable[[], None], tick_s: float = 0.05) -> None:
        """Plays everything and returns at the plan's end; `check` is called between and may raise."""
        start_ns = time.monotonic_ns()
        for at_ns, act in [*self._actions, (self._stage.plan.duration_ns, lambda: None)]:
            while (left_ns := start_ns + at_ns - time.monotonic_ns()) > 0:
                check()
                time.sleep(min(tick_s, left_ns / 1e9))
            act()

    def _play(self, event: Event) -> None:
        if event.handover is not None:
            self._stage.handover(event.handover.device, event.handover.to)
        elif event.link is not None:
            changes = event.link.model_dump(mode="json", exclude_none=True, exclude={"between"})
            self._mark("link", link="-".join(event.link.between), **changes)
            self._stage.change_link(event.link)
        elif event.fail is not None:
            self.fail(event.fail)
        elif event.restore is not None:
            self.restore(event.restore)
        elif event.load is not None:
            self.load(event.load)
        elif event.pin is not None:
            self.pin(event.pin)

    def fail(self, failure: Failure) -> None:
        """Makes a MEC host fail; the marker goes out right before."""
        self._mark("fail", host=failure.host, how=failure.how)
        self._failed.setdefault(failure.host, []).append(failure)
        match failure.how:
            case "process":
                self._stage.kill_programs(failure.host)
            case "silence":
                self._stage.silence(failure.host, True)
            case "link":
                self._stage.link_down(*self._uplink(failure.host))

    def restore(self, restore: Restore) -> None:
        """Brings a MEC host back from all its failures; one that did not fail stays as it is."""
        self._mark("restore", host=restore.host)
        ways = dict.fromkeys(failure.how for failure in self._failed.pop(restore.host, ()))
        for how in ways:
            match how:
                case "process":
                    self._stage.start_programs(restore.host)
                case "silence":
                    self._stage.silence(restore.host, False)
                case "link":
                    self._stage.link_up(*self._uplink(restore.host))

    def has_failed(self, host: str) -> bool:
        """Whether a host has failed and was not brought back."""
        return host in self._failed

    def load(self, load: Load) -> None:
        """Sets a MEC host's load, through the interface of its application server."""
        node = self._stage.plan.node(load.host)
        self._mark("load", host=load.host, value=load.value)
        url = f"http://{node.ipv4}:{APP_PORT}/load"
        body = f'{{"value": {load.value}}}'
        argv = ["curl", "-sS", "--fail", "--max-time", "2", "-X", "PUT", "-H", "Content-Type: application/json"]
        done = self._stage.run_on(load.host, [*argv, "-d", body, url])
        if done.returncode:
            raise RunError(f"setting the load of {load.host} failed: {done.stderr.strip()}")

    def pin(self, pin: Pin) -> list[str]:
        """The operator pins a device to a MEC host, or ends its pin; the devices whose host changed at once."""
        self._mark("pin", device=pin.device, host=pin.host)
        return self._stage.pin(pin.device, pin.host)

    def _uplink(self, host: str) -> tuple[str, str]:
        link = next(link for link in self._stage.plan.links if host in (link.a.node, link.b.node))
        return link.a.node, link.b.node

    def _mark(self, event: str, **fields: object) -> None:
        self._stage.mark(Marker(event, time.time_ns(), dict(fields)))
