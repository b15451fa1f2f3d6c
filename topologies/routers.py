"""Edges and core as Linux routers with FRR, each in namespaces of its own; access points as bridges of two ports."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from meclab import frr, routers
from meclab.errors import RunError
from meclab.model import Family
from meclab.plan import Plan
from topologies import interfaces, layout, route_trace
from topologies.frr import Frr, ask, bind_folders
from topologies.trace import Hop

SETTLE_S = 20.0
"""Far above what bgpd (1 s before its first attempt) and BFD (packets at 1 s until it is up, RFC 5880 section 6.8.3)
need."""
_POLL_S = 0.02
_SHOWN = ("show bgp ipv4 unicast", "show bgp ipv6 unicast", "show ip route", "show ipv6 route", "show bfd peers brief")


class Routers:
    """Of a plan whose method is `bgp-anycast`: `switching.Switching`."""

    def __init__(self, plan: Plan, logs: Path) -> None:
        self._plan = plan
        self._logs = logs
        self._speakers = routers.speakers(plan)
        self._names = routers.names(plan)
        self._bridges = [bridge for bridge in layout.bridges(plan) if bridge.name not in self._names]

    def launch(self) -> None:
        """Nothing: routers start in their namespaces."""

    def wired(self, pids: Mapping[str, int]) -> None:
        """Configures routers and the hosts that speak BGP, and starts the routers' zebra."""
        self._pids = pids
        bind_folders({name: pids[name] for name in self._speakers})
        for name in self._names:
            self._configure_router(name)
        for node in self._plan.mec_hosts:
            with interfaces.netlink(pids[node.name]) as host:
                for session in self._speakers[node.name].sessions:
                    for address in routers.interfaces(session.own):
                        host.address(session.interface, address.ip, address.network.prefixlen)
        self._frr = Frr({name: pids[name] for name in self._names}, self._logs)
        self._frr.launch({name: frr.configuration(self._plan, self._speakers[name]) for name in self._names})

    def _configure_router(self, name: str) -> None:
        with interfaces.netlink(self._pids[name]) as router:
            router.up("lo")
            for own in self._speakers[name].loopback:
                router.address("lo", own)
            for port in routers.ports(self._plan, name):
                router.up(port.interface)
                for address in port.addresses:
                    router.address(port.interface, address.ip, address.network.prefixlen)
                for neighbour, mac in port.neighbours:
                    router.neighbour(port.interface, neighbour, mac)
                for host in port.attached:
                    router.on_link(port.interface, host)

    def make(self) -> None:
        with interfaces.netlink(None) as root:
            for bridge in self._bridges:
                for interface in bridge.ports:
                    root.up(interface)
                root.bridge(bridge.name, bridge.ports)
        self._frr.launch_others()

    def connect(self, controller: str) -> None:
        """Nothing: there is no controller."""

    def settle(self) -> None:
        """Waits until every router reaches every host, router and the virtual address, and BFD watches every session.

        The MEC hosts' programs must have been started: it is they that announce the address.
        """
        targets = self._targets()

        def unknown() -> list[str]:
            return [text for name in self._names for text in self._unknown(name, targets)]

        self._frr.await_ready()
        self._await("routes to", unknown)
        self._await("BFD up", lambda: [f"at {name}" for name in self._names if not self._is_watched(name)])
        self._await("routes to", unknown)  # a session may have gone and come again until BFD was up

    def _await(self, what: str, lacking: Callable[[], list[str]]) -> None:
        deadline = time.monotonic() + SETTLE_S
        while left := lacking():
            self.check()
            if time.monotonic() > deadline:
                raise RunError(f"not there after {SETTLE_S:g} s: {what} {', '.join(left)}")
            time.sleep(_POLL_S)

    def _unknown(self, name: str, targets: Sequence[IPv4Address | IPv6Address]) -> list[str]:
        with interfaces.netlink(self._pids[name]) as router:
            return [f"{address} at {name}" for address in targets if router.next_hop(address) is None]

    def _targets(self) -> list[IPv4Address | IPv6Address]:
        hosts = [(node.ipv4, node.ipv6) for node in self._plan.nodes]
        pairs = [*hosts, *(self._speakers[name].loopback for name in self._names)]
        pairs.append((self._plan.vip_ipv4, self._plan.vip_ipv6))
        return [address for pair in pairs for address in pair if address is not None]

    def _is_watched(self, name: str) -> bool:
        try:
            peers = json.loads(ask(name, ["bfdd"], "show bfd peers json"))
        except ValueError:
            return False
        up = sum(peer.get("status") == "up" for peer in peers)
        return bool(up == len(self._speakers[name].sessions))

    def check(self) -> None:
        self._frr.check()

    def stop(self) -> None:
        self._frr.stop()

    @property
    def pids(self) -> dict[str, int]:
        return self._frr.pids

    def attachments(self) -> dict[str, str]:
        """Device to the access point at which a router has it on the link now."""
        found = {}
        for name in self._names:
            aps = {interface: ap for ap, interface in routers.access_ports(self._plan, name).items()}
            with interfaces.netlink(self._pids[name]) as router:
                for device in self._plan.devices:
                    for interface, ap in aps.items():
                        hops = [router.next_hop(address) for address in device.addresses(ap)]
                        if hops == [(interface, None)] * 2:
                            found[device.name] = ap
        return found

    def dump(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in self._names:
            parts = [f"{name}# {command}\n{ask(name, (), command)}" for command in _SHOWN]
            (folder / f"{name}.txt").write_text("\n".join(parts))
        for bridge in self._bridges:
            ports = " ".join(f"{number}:{interface}" for interface, number in bridge.ports.items())
            (folder / f"{bridge.name}.txt").write_text(f"bridge without learning, ports {ports}\n")

    def trace(self, attachments: Mapping[str, str | None], source: str, target: str, family: Family) -> list[Hop]:
        return route_trace.trace(self._plan, attachments, source, target, self._lookup, family)

    def _lookup(self, router: str, destination: IPv4Address | IPv6Address) -> route_trace.NextHop | None:
        with interfaces.netlink(self._pids[router]) as table:
            return table.next_hop(destination)
