"""Interfaces, addresses and routes of nodes, over netlink from inside their namespaces: no `ip` processes."""

import array
import errno
import fcntl
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from meclab.addressing import GATEWAY_IPV4, GATEWAY_IPV6
from topologies.namespaces import network_of

_SIOCETHTOOL = 0x8946
_OFFLOADS = {
    "receive checksum": 0x15,
    "transmit checksum": 0x17,
    "scatter": 0x19,
    "TSO": 0x1F,
    "GSO": 0x24,
    "GRO": 0x2C,
}
"""`ethtool -K` settings and their ETHTOOL_S… numbers (linux/ethtool.h)."""
_ONLINK = 4
_NODAD = 0x02
_PERMANENT = 0x80
_STATIC = 4

SYSCTLS_OF_HOSTS = {
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv6/conf/all/accept_dad": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/accept_ra": 0,
    "net/ipv6/conf/default/accept_redirects": 0,
    "net/ipv6/conf/default/router_solicitations": 0,
}
"""No duplicate-address detection, no router discovery: either would cost up to a second at an interface's start. No
redirects: a device that was told to send to another one directly would not find it again when that has moved."""
SYSCTLS_OF_ROUTERS = SYSCTLS_OF_HOSTS | {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv6/conf/default/forwarding": 1,
    "net/ipv4/conf/all/send_redirects": 0,
    "net/ipv4/conf/default/send_redirects": 0,
    "net/ipv4/conf/all/accept_redirects": 0,
    "net/ipv4/conf/default/accept_redirects": 0,
}
"""Linux as a router; redirects would send devices of one access point past it."""
SYSCTLS_OF_SERVING_HOSTS = {"net/ipv4/conf/all/arp_ignore": 1, "net/ipv4/conf/all/arp_announce": 2}
"""The virtual address on `lo` is never told to the neighbours (as Linux's own virtual servers have it)."""
SYSCTLS_OF_SWITCHES = {
    "net/ipv6/conf/all/disable_ipv6": 1,
    "net/ipv6/conf/default/disable_ipv6": 1,
    "net/ipv4/ip_forward": 0,
    "net/ipv4/conf/all/arp_ignore": 1,
}
"""The switches' namespace must not speak on their ports itself."""


@dataclass(frozen=True)
class HostAddresses:
    """What a host or device is configured with: one data interface, and addresses on `lo`."""

    interface: str
    ipv4: IPv4Address
    ipv6: IPv6Address
    loopback: tuple[IPv4Address | IPv6Address, ...] = ()


class Netlink:
    """A netlink socket in one network namespace, with interface numbers remembered."""

    def __init__(self, route: Any) -> None:
        self._route = route
        self._index = {"lo": 1}

    def index(self, interface: str) -> int:
        if interface not in self._index:
            found = self._route.link_lookup(ifname=interface)
            if not found:
                raise LookupError(f"no interface {interface}")
            self._index[interface] = found[0]
        return self._index[interface]

    def up(self, interface: str) -> None:
        self._route.link("set", index=self.index(interface), state="up")

    def veth(
        self,
        name: str,
        peer: str,
        *,
        mac: str | None = None,
        peer_mac: str | None = None,
        pid: int | None = None,
        peer_pid: int | None = None,
    ) -> None:
        """A pair, each end in the network namespace of its process, or here."""
        self._route.link("add", kind="veth", peer=_veth_end(peer, peer_mac, peer_pid), **_veth_end(name, mac, pid))

    def address(self, interface: str, address: IPv4Address | IPv6Address, length: int | None = None) -> None:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        flags = {"flags": _NODAD} if address.version == 6 else {}
        prefix = address.max_prefixlen if length is None else length
        self._route.addr(
            "add", index=self.index(interface), address=str(address), prefixlen=prefix, family=family, **flags
        )

    def gateway(self, addresses: HostAddresses) -> None:
        """Default routes by way of the one gateway, which is on the link whatever the prefix says."""
        index = self.index(addresses.interface)
        for source, gateway, family in (
            (addresses.ipv4, GATEWAY_IPV4, socket.AF_INET),
            (addresses.ipv6, GATEWAY_IPV6, socket.AF_INET6),
        ):
            route = {"dst": "default", "gateway": str(gateway), "oif": index, "prefsrc": str(source)}
            self._route.route("add", family=family, flags=_ONLINK, **route)

    def neighbour(self, interface: str, address: IPv4Address | IPv6Address, mac: str) -> None:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        entry = {"dst": str(address), "lladdr": mac, "ifindex": self.index(interface), "state": _PERMANENT}
        self._route.neigh("add", family=family, **entry)

    def on_link(self, interface: str, address: IPv4Address | IPv6Address) -> None:
        """A route to one address, out of an interface without a gateway."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        route = {"dst": f"{address}/{address.max_prefixlen}", "oif": self.index(interface), "proto": _STATIC}
        self._route.route("add", family=family, **route)

    def next_hop(self, address: IPv4Address | IPv6Address) -> tuple[str, str | None] | None:
        """Interface and gateway (none: on the link) by which a packet to this address would leave; none: no route."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        try:
            found = self._route.route("get", family=family, dst=str(address))[0]
        except NetlinkError as error:
            if error.code in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.EACCES):
                return None
            raise
        via = found.get_attr("RTA_GATEWAY")
        return self.name(found.get_attr("RTA_OIF")), via

    def name(self, index: int) -> str:
        """The interface of a number."""
        known = {number: interface for interface, number in self._index.items()}
        if index not in known:
            interface = self._route.get_links(index)[0].get_attr("IFLA_IFNAME")
            self._index[interface] = index
            return str(interface)
        return known[index]

    def bridge(self, name: str, ports: Iterable[str]) -> None:
        """A bridge that hands every frame of a port to the others: it learns nothing, and runs no protocol."""
        self._route.link("add", ifname=name, kind="bridge", br_stp_state=0, br_forward_delay=0, br_mcast_snooping=0)
        for port in ports:
            self._route.link("set", index=self.index(port), master=self.index(name))
            self._route.brport("set", index=self.index(port), learning=0)
        self.up(name)


def _veth_end(name: str, mac: str | None, pid: int | None) -> dict[str, Any]:
    given = {"ifname": name, "address": mac, "net_ns_pid": pid}
    return {key: value for key, value in given.items() if value is not None}


@contextmanager
def netlink(pid: int | None) -> Iterator[Netlink]:
    """Netlink in the network namespace of a process, or in this one."""
    with network_of(pid):
        route = IPRoute()
    try:
        yield Netlink(route)
    finally:
        route.close()


def set_sysctls(pid: int | None, *settings: dict[str, int]) -> None:
    """Writes settings of one network namespace; they hold for interfaces that are made afterwards."""
    with network_of(pid):
        for values in settings:
            for name, value in values.items():
                Path("/proc/sys", name).write_text(f"{value}\n")


def configure_host(pid: int, addresses: HostAddresses) -> None:
    """Brings a host's interface up with its addresses (/32 and /128), default routes and those on `lo`."""
    with netlink(pid) as link:
        link.up("lo")
        for address in addresses.loopback:
            link.address("lo", address)
        link.up(addresses.interface)
        link.address(addresses.interface, addresses.ipv4)
        link.address(addresses.interface, addresses.ipv6)
        link.gateway(addresses)


def offloads_off(pid: int | None, interface: str) -> None:
    """Switches off what would hand partial checksums or 64 KB packets to readers of raw frames (veth)."""
    with network_of(pid):
        control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with control:
        for number in _OFFLOADS.values():
            value = array.array("B", struct.pack("II", number, 0))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(control, _SIOCETHTOOL, request.ljust(40, b"\0"))
