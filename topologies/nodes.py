"""Mininet's nodes and links for the lab, so that Mininet's own prompt works on what `topologies` builds.

Mininet is wrapped here and nowhere else. Interfaces are made and configured by `topologies.interfaces`, switches
by one transaction of `topologies.openvswitch`; Mininet's objects describe them and run shells in them.
"""

import os
import resource
import signal
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

from mininet.link import Intf, Link
from mininet.net import Mininet
from mininet.node import Host, Node, OVSSwitch, Switch

from meclab import routers
from meclab.plan import RADIO_PORT, Plan

_FDS_PER_NODE = 8


class _EndsAtOnce(Node):  # type: ignore[misc]
    """A node with a shell that is not asked twice."""

    def terminate(self) -> None:
        """Kills the shell at once; it would ignore a polite signal while a command runs."""
        if self.shell and self.shell.poll() is None:
            os.killpg(self.shell.pid, signal.SIGKILL)
        self.cleanup()


class LabHost(_EndsAtOnce, Host):  # type: ignore[misc]
    """A host, router or device: a shell in network and mount namespaces of its own."""


class EnteredHost(LabHost):
    """A host of a lab that runs already, entered from another process: a further shell in its namespaces."""

    def __init__(self, name: str, pid: int, **params: Any) -> None:
        self._entered = pid
        super().__init__(name, inNamespace=False, **params)

    def startShell(self, mnopts: str | None = None) -> None:
        super().startShell(f"-cda{self._entered}")


class LabSwitch(_EndsAtOnce, OVSSwitch):  # type: ignore[misc]
    """A switch of the lab's own Open vSwitch, in the lab's root namespace."""

    def start(self, controllers: Sequence[Any]) -> None:
        """Nothing: `openvswitch.create_bridges` starts all the switches at once."""

    def dpctl(self, *args: str) -> str:
        """`ovs-ofctl` in the one OpenFlow version that the switches speak."""
        output: str = self.cmd("ovs-ofctl", "-O", "OpenFlow13", args[0], self, *args[1:])
        return output

    def stop(self, deleteIntfs: bool = False) -> None:
        """Ends the shell, and leaves the switch to Open vSwitch's end."""
        self.terminate()


class LabP4Switch(_EndsAtOnce, Switch):  # type: ignore[misc]
    """A switch that runs a P4 program, in the lab's root namespace."""

    def start(self, controllers: Sequence[Any]) -> None:
        """Nothing: `p4switches.P4Switches` starts it as a process."""

    def stop(self, deleteIntfs: bool = False) -> None:
        """Ends the shell, and leaves the process to `P4Switches`."""
        self.terminate()


class LabBridge(_EndsAtOnce, Switch):  # type: ignore[misc]
    """An access point of a network of routers: a bridge in the lab's root namespace."""

    def start(self, controllers: Sequence[Any]) -> None:
        """Nothing: `routers.Routers` makes it."""

    def stop(self, deleteIntfs: bool = False) -> None:
        self.terminate()


class LabLink(Link):  # type: ignore[misc]
    """A link whose interfaces exist already."""

    def __init__(self, intf1: Intf, intf2: Intf) -> None:
        self.intf1, self.intf2 = intf1, intf2
        intf1.link = intf2.link = self

    def delete(self) -> None:
        """Nothing: interfaces go with the sandbox."""


class LabNet(Mininet):  # type: ignore[misc]
    """Mininet without its machine-wide settings: `fixLimits` would raise the machine's own limits."""

    def __init__(self, nodes: int) -> None:
        Mininet.inited = True
        raise_own_limits(nodes)
        super().__init__(topo=None, build=False, switch=LabSwitch, host=LabHost, controller=None, link=LabLink)
        self.built = True

    def stop(self) -> None:
        """Ends every node's shell."""
        for node in [*self.hosts, *self.switches]:
            node.terminate()


def raise_own_limits(nodes: int) -> None:
    """Room for this process's and its children's open files, and no more: `mnexec` closes as many as may be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1024 + _FDS_PER_NODE * nodes
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def describe(net: LabNet, plan: Plan) -> None:
    """Tells Mininet of switches, interfaces and links that exist, so that its prompt and its API know them."""
    kind = LabBridge if routers.applies(plan) else LabP4Switch if plan.dataplane == "p4" else LabSwitch
    for switch in plan.switches:
        if switch.name not in net:  # routers are hosts to Mininet
            net.addSwitch(switch.name, cls=kind, dpid=f"{switch.dpid:x}")
    addresses = {node.name: (node.mac, node.ipv4) for node in plan.nodes}
    for link in plan.links:
        ends = [_interface(net[end.node], end.interface, end.number, *addresses[end.node]) for end in (link.a, link.b)]
        net.links.append(LabLink(*ends))
    for ap in plan.access_points:
        _interface(net[ap.name], ap.interface, RADIO_PORT)
    for device in plan.devices:
        _interface(net[device.name], device.interface, 0, device.mac, device.ipv4)


def _interface(node: Node, name: str, port: int, mac: str | None = None, ipv4: IPv4Address | None = None) -> Intf:
    interface = Intf(name, node=node, port=port, mac=mac, up=None, moveIntfFn=lambda *_: None)
    if ipv4 is not None:
        interface.ip, interface.prefixLen = str(ipv4), 32
    return interface
