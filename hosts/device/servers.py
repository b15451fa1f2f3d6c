"""What the client connects to: addresses, redirects and references turned into servers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urljoin, urlsplit

from hosts.device.cache import Address, absolute
from hosts.web import http1
from meclab.errors import PeerError
from meclab.packets import APP_PORT, APP_TLS_PORT
from meclab.plan import Plan

_URI = re.compile("[!-~]*")
"""Printable ASCII: what goes on into a request's target (RFC 3986 section 2)."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Server:
    """Where to connect to."""

    address: Address
    port: int
    authority: str
    """Value of the Host field (RFC 9112 section 3.2)."""
    name: str
    """Whom its certificate must name, without the final dot."""
    probed: bool = True
    """Whether probes go there: to all but a front that only redirects."""

    @property
    def place(self) -> tuple[Address, int]:
        """What tells two servers apart."""
        return self.address, self.port

    def __str__(self) -> str:
        return http1.authority(str(self.address), self.port)


@dataclass(frozen=True)
class Reference:
    """An http or https URI, split: a server by literal address or by name, and what to ask it for."""

    host: str
    port: int
    target: str
    """Path and query."""

    @property
    def address(self) -> Address | None:
        """None for a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        return http1.authority(self.host, self.port)


class Servers:
    """The servers of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.scheme = "https" if plan.http.tls else "http"
        self.port = APP_TLS_PORT if plan.http.tls else APP_PORT
        self._application = absolute(plan.dns.name)
        self._names: Mapping[Address, str] = {
            address: plan.host_name(node.name)
            for node in plan.nodes
            for address in (node.ipv4, node.ipv6)
            if address is not None
        }

    def at(self, address: Address, name: str | None = None, *, probed: bool = True) -> Server:
        """The application's server at an address, which the client knows by a name or by the address alone."""
        host = str(address) if name is None else name.rstrip(".")
        return self._server(address, self.port, host, probed)

    def referred(self, reference: Reference, address: Address) -> Server:
        """The server that a reference means, its name looked up."""
        return self._server(address, reference.port, reference.host, probed=True)

    def reference(self, uri: str, base: str = "") -> Reference:
        """Reads a URI, relative ones against `base` (RFC 9110 section 10.2.2). Raises `PeerError`: it must have the
        session's own scheme, and a host."""
        if not _URI.fullmatch(uri):
            raise PeerError(f"{uri!r} is no URI: it has characters that a URI has not")
        try:
            parts = urlsplit(urljoin(base, uri))
            port = parts.port or _DEFAULT_PORTS[self.scheme]
        except ValueError as error:
            raise PeerError(f"{uri!r} is no URI: {error}") from error
        if parts.scheme != self.scheme or not parts.hostname:
            raise PeerError(f"{uri!r} leads nowhere; expected {self.scheme}://HOST[:PORT]/…")
        return Reference(parts.hostname, port, _target(parts))

    def _server(self, address: Address, port: int, host: str, probed: bool) -> Server:
        name = self._names.get(address, self._application).rstrip(".")
        return Server(address, port, http1.authority(host, port), name, probed)


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
