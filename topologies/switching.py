"""What forwards between the links, under one set of calls: Open vSwitch here, switches that run a P4 program in
`topologies.p4switches`, Linux routers in `topologies.routers`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from meclab.model import Family
from meclab.plan import Plan
from topologies import interfaces, layout, openvswitch, trace
from topologies.machine import Datapath
from topologies.openvswitch import OpenVSwitch


class Switching(Protocol):
    """The switches or routers of one network, in the order in which they are built."""

    def launch(self) -> None:
        """Starts what takes a while, before there is any node."""

    def wired(self, pids: Mapping[str, int]) -> None:
        """The wired links' interfaces are there; `pids` are in the namespaces of hosts and routers."""

    def make(self) -> None:
        """The access points' radios are there too: from here on frames are forwarded, or wait for a controller."""

    def connect(self, controller: str) -> None:
        """Points switches to the controller at an address; nothing where there is none."""

    def settle(self) -> None:
        """Waits until routes are as the plan has them; nothing where a controller is told so."""

    def attachments(self) -> dict[str, str] | None:
        """Device to access point as the routers' tables have it; none where a controller is to be asked."""

    def check(self) -> None:
        """Raises `RunError` with the last log lines of a process that has ended by itself."""

    def stop(self) -> None:
        """Ends what was started."""

    @property
    def pids(self) -> dict[str, int]:
        """The processes that forward or decide."""

    def dump(self, folder: Path) -> None:
        """Writes every table that packets are forwarded by to `folder`/NODE.txt."""

    def trace(self, attachments: Mapping[str, str | None], source: str, target: str, family: Family) -> list[trace.Hop]:
        """The path that a packet would take now, hop by hop; no packet is sent."""


class OpenFlowSwitches:
    """Every switch in the lab's own Open vSwitch, in its root namespace."""

    def __init__(self, plan: Plan, datapath: Datapath, logs: Path) -> None:
        self._plan = plan
        self._datapath = datapath
        self._bridges = layout.bridges(plan)
        self._openvswitch = OpenVSwitch(logs)

    def launch(self) -> None:
        self._openvswitch.launch()

    def wired(self, pids: Mapping[str, int]) -> None:
        """Nothing: ports are given to the switches all at once."""

    def make(self) -> None:
        with interfaces.netlink(None) as root:
            for bridge in self._bridges:
                for interface in bridge.ports:
                    root.up(interface)
        self._openvswitch.await_ready()
        openvswitch.create_bridges(self._bridges, self._datapath)
        openvswitch.check_ports(self._bridges)

    def connect(self, controller: str) -> None:
        openvswitch.connect(self._names(), controller)

    def settle(self) -> None:
        """Nothing: the controller says when its rules are in place."""

    def attachments(self) -> dict[str, str] | None:
        return None

    def check(self) -> None:
        self._openvswitch.check()

    def stop(self) -> None:
        self._openvswitch.stop()

    @property
    def pids(self) -> dict[str, int]:
        return self._openvswitch.pids

    def dump(self, folder: Path) -> None:
        openvswitch.dump_flows(self._names(), folder)

    def trace(self, attachments: Mapping[str, str | None], source: str, target: str, family: Family) -> list[trace.Hop]:
        return trace.trace(self._plan, attachments, source, target, openvswitch.explain, family)

    def _names(self) -> list[str]:
        return [bridge.name for bridge in self._bridges]
