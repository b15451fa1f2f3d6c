"""Addresses of every node and device, from the scenario's pools."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from meclab.errors import Problem
from meclab.scenario import Addresses, Device
from meclab.topology import Node, Role

GATEWAY_IPV4 = IPv4Address("169.254.1.1")
GATEWAY_IPV6 = IPv6Address("fe80::1")
"""The one gateway address of every device and host, answered by the nearest edge or core switch."""
GATEWAY_MAC = "02:00:5e:00:01:01"
"""The gateway's MAC, the same everywhere, so that a moving device keeps its neighbour entry."""
ANCHOR_MAC = "02:00:5e:00:01:02"
"""The anchor's MAC: what an edge sends to the core to be routed there."""
MANAGEMENT_SWITCHES = IPv4Address("172.31.0.1")
MANAGEMENT_OPERATIONS = IPv4Address("172.31.0.2")

_FIRST_SERVICE: dict[Role, int] = {"rdns": 17, "adns": 18, "easdf": 19, "smf": 20, "front": 21, "fwd": 31}
"""Number of a service's /24 and /64 in the pools; a forwarder's is that of its site beyond this."""
Pair = tuple[IPv4Address, IPv6Address]


def node_mac(index: int) -> str:
    """The MAC of the n-th host of the network."""
    return f"02:00:00:00:{index >> 8:02x}:{index & 255:02x}"


def device_mac(number: int) -> str:
    """The MAC of the n-th device."""
    return f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}"


def node_addresses(addresses: Addresses, node: Node) -> Pair | None:
    """A host's addresses; none for switches. Raises `IndexError` where the pool has no room for the site."""
    match node.role:
        case "cloud":
            return addresses.cloud_ipv4, addresses.cloud_ipv6
        case "ops":
            return addresses.operations_ipv4, addresses.operations_ipv6
        case "mec":
            assert node.site is not None
            ipv4 = addresses.hosts_ipv4.network_address + node.site * 256 + 10
            ipv6 = addresses.hosts_ipv6.network_address + (node.site << 64) + 16
            if ipv4 not in addresses.hosts_ipv4 or ipv6 not in addresses.hosts_ipv6:
                raise IndexError(f"site {node.site} does not fit {addresses.hosts_ipv4} and {addresses.hosts_ipv6}")
            return ipv4, ipv6
        case "rdns" | "adns" | "easdf" | "smf" | "front" | "fwd":
            return _service_addresses(addresses, node)
        case _:
            return None


def _service_addresses(addresses: Addresses, node: Node) -> Pair:
    """The host's own /24 and /64 of the services' pools."""
    number = _FIRST_SERVICE[node.role] + (node.site or 0)
    ipv4 = addresses.services_ipv4.network_address + number * 256 + 10
    ipv6 = addresses.services_ipv6.network_address + (number << 64) + 16
    if ipv4 not in addresses.services_ipv4 or ipv6 not in addresses.services_ipv6:
        raise IndexError(f"{node.name} does not fit {addresses.services_ipv4} and {addresses.services_ipv6}")
    return ipv4, ipv6


def location(addresses: Addresses, number: int) -> tuple[IPv4Network, IPv6Network]:
    """The prefixes by which client subnets name the n-th access point, from 1. Raises `IndexError`."""
    ipv4 = IPv4Network((addresses.locations_ipv4.network_address + number * 256, 24))
    ipv6 = IPv6Network((int(addresses.locations_ipv6.network_address) + (number << 72), 56))
    if not (ipv4.subnet_of(addresses.locations_ipv4) and ipv6.subnet_of(addresses.locations_ipv6)):
        raise IndexError(f"access point {number} does not fit {addresses.locations_ipv4}, {addresses.locations_ipv6}")
    return ipv4, ipv6


def device_names(devices: Sequence[Device]) -> Iterator[tuple[int, Device, str]]:
    """(index in the file, entry, name) of every device; counted ones take the names `ue1`, `ue2`, … left free."""
    taken = {device.name for device in devices if device.name}
    for index, device in enumerate(devices):
        if device.name:
            yield index, device, device.name
            continue
        number, made = 0, 0
        while made < (device.count or 0):
            number += 1
            if (name := f"ue{number}") not in taken:
                taken.add(name)
                made += 1
                yield index, device, name


def device_addresses(addresses: Addresses, device: Device, number: int) -> Pair:
    """The addresses of the n-th device, from 1. Raises `IndexError` where the pool is too small."""
    ipv4 = device.ipv4 or addresses.devices_ipv4.network_address + number
    ipv6 = device.ipv6 or addresses.devices_ipv6.network_address + number
    if device.ipv4 is None and ipv4 not in addresses.devices_ipv4:
        raise IndexError(f"device {number} does not fit {addresses.devices_ipv4}")
    return ipv4, ipv6


def anchored_addresses(addresses: Addresses, point: int, number: int) -> Pair:
    """The addresses of the n-th device, from 1, at an access point, from 1 too: in the prefixes by which client subnets
    name that. Raises `IndexError` where these are too small."""
    ipv4, ipv6 = location(addresses, point)
    if number >= ipv4.num_addresses - 1:
        raise IndexError(f"device {number} does not fit {ipv4}, where `address: per-anchor` numbers it")
    return ipv4.network_address + number, ipv6.network_address + number


def overlaps(owned: Sequence[tuple[tuple[str | int, ...], str, Pair]]) -> Iterator[Problem]:
    """Problems for addresses that two owners share; `owned` are (where, owner's name, addresses)."""
    seen: dict[object, str] = {}
    for where, owner, pair in owned:
        for address in pair:
            if address in seen:
                yield Problem(where, f"{address} for {owner}", f"an address that {seen[address]} does not have")
            seen[address] = owner


def pool_overlaps(addresses: Addresses) -> Iterator[Problem]:
    """Problems for fixed addresses inside the devices' pools and for pools that overlap."""
    pools = [("devices_ipv4", "hosts_ipv4"), ("devices_ipv6", "hosts_ipv6")]
    for left, right in pools:
        if getattr(addresses, left).overlaps(getattr(addresses, right)):
            found = f"{left} {getattr(addresses, left)} and {right} {getattr(addresses, right)}"
            yield Problem(("addresses", left), found, "pools that do not overlap")
    for key in ("cloud", "operations", "vip", "resolver"):
        for family in ("ipv4", "ipv6"):
            address = getattr(addresses, f"{key}_{family}")
            for pool in (f"devices_{family}", f"hosts_{family}"):
                if address in ip_network(getattr(addresses, pool)):
                    where = ("addresses", f"{key}_{family}")
                    yield Problem(where, str(address), f"an address outside {pool} {getattr(addresses, pool)}")
