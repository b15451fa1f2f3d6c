"""The EDNS client subnet option (RFC 7871) and the client that it names."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal

from meclab.errors import PeerError

OPTION: Final = 8
Version = Literal[4, 6]
BITS: dict[Version, int] = {4: 32, 6: 128}
_FAMILIES: dict[int, Version] = {1: 4, 2: 6}
"""Address family numbers of IANA to IP versions."""
_FIXED_BYTES = 4
"""Family, source and scope prefix length."""


@dataclass(frozen=True)
class Client:
    """Whom a query is for: an address of which the first `length` bits are known, the others zero."""

    version: Version
    address: int
    length: int

    @property
    def network(self) -> IPv4Network | IPv6Network:
        kind = IPv4Network if self.version == 4 else IPv6Network
        return kind((self.address, self.length))


@dataclass(frozen=True)
class ClientSubnet:
    """The option as it was asked; what the answer mirrors (RFC 7871 section 7.2.2)."""

    data: bytes
    client: Client | None
    """None where family and prefix length are 0: the client keeps its address to itself."""

    @property
    def opts_out(self) -> bool:
        """A prefix length of 0: the client's address must not be used (RFC 7871 section 7.1.2)."""
        return self.client is None or self.client.length == 0

    def answered(self, scope: int) -> bytes:
        """The option's data in an answer: family, source and address as asked, and the scope in bits."""
        return self.data[:3] + bytes((scope,)) + self.data[_FIXED_BYTES:]


def read_subnet(data: bytes) -> ClientSubnet:
    """The option in a query; raises `PeerError` for what RFC 7871 section 6 has answered with FORMERR."""
    if len(data) < _FIXED_BYTES:
        raise PeerError(f"client subnet of {len(data)} octets; expected {_FIXED_BYTES} and the address")
    family, source, scope = int.from_bytes(data[:2], "big"), data[2], data[3]
    address = data[_FIXED_BYTES:]
    if scope:
        raise PeerError(f"scope prefix length {scope} in a query; expected 0")
    if family == 0 and source == 0 and not address:
        return ClientSubnet(data, None)
    version = _FAMILIES.get(family)
    if version is None:
        raise PeerError(f"address family {family}; expected 1 (IPv4) or 2 (IPv6)")
    bits = BITS[version]
    if source > bits:
        raise PeerError(f"source prefix length {source}; expected at most {bits}")
    if len(address) != (source + 7) // 8:
        raise PeerError(f"{len(address)} octets of address for a prefix length of {source}")
    value = int.from_bytes(address, "big") << (bits - 8 * len(address))
    if value & ((1 << (bits - source)) - 1):
        raise PeerError(f"bits set beyond the prefix length of {source}")
    return ClientSubnet(data, Client(version, value, source))


def of_source(source: bytes) -> Client:
    """The client that asks without the option: the packed address that the query came from."""
    version: Version = 4 if len(source) == 4 else 6
    return Client(version, int.from_bytes(source, "big"), BITS[version])
