"""TLS without sockets: bytes of the wire in, plain bytes and bytes for the wire out (RFC 8446)."""

import ssl
from pathlib import Path

from meclab.errors import PeerError

_READ_BYTES = 65_536


class TlsClient:
    """The device's side: the lab's authority, a session ticket per host, the key log."""

    def __init__(self, authority: Path, key_log: Path | None) -> None:
        """`authority` is its certificate as PEM. Raises `OSError`."""
        self._context = ssl.create_default_context(cafile=str(authority))
        self._context.set_alpn_protocols(["http/1.1"])
        if key_log is not None:
            self._context.keylog_filename = str(key_log)
        self._tickets: dict[str, ssl.SSLSession] = {}

    def channel(self, name: str) -> "Channel":
        """A new connection's, to the host of this name; resumed where an earlier one left a ticket."""
        return Channel(self._context, name, self._tickets.get(name))

    def keep(self, channel: "Channel") -> None:
        """Keeps the ticket that a server has sent on a connection (RFC 8446 section 4.6.1), for the next one."""
        if (ticket := channel.ticket) is not None:
            self._tickets[channel.name] = ticket


class Channel:
    """One connection."""

    def __init__(self, context: ssl.SSLContext, name: str, ticket: ssl.SSLSession | None) -> None:
        self.name = name
        self.established = False
        """Whether the handshake is complete."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name, session=ticket)

    @property
    def resumed(self) -> bool:
        """Whether the server took the ticket: a handshake without certificates."""
        return bool(self._tls.session_reused)

    @property
    def ticket(self) -> ssl.SSLSession | None:
        """What the server has given so far, if anything."""
        session = self._tls.session if self.established else None
        return session if session is not None and session.has_ticket else None

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Takes bytes of the wire: none to begin the handshake. The plain bytes in them, and whether the peer has
        closed. Raises `PeerError`: what came is not TLS, or the certificate is not the host's."""
        self._incoming.write(data)
        plain: list[bytes] = []
        try:
            if not self.established:
                self._tls.do_handshake()
                self.established = True
            while piece := self._tls.read(_READ_BYTES):
                plain.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(plain), False
        except ssl.SSLZeroReturnError:
            return b"".join(plain), True
        except ssl.SSLError as error:
            raise PeerError(f"TLS with {self.name}: {error}") from error
        return b"".join(plain), True

    def seal(self, data: bytes) -> None:
        """Encrypts; `outgoing` has the bytes for the wire."""
        self._tls.write(data)

    def close(self) -> None:
        """Says goodbye (close_notify); `outgoing` has it."""
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            return  # the peer's goodbye is not waited for

    def outgoing(self) -> bytes:
        """Bytes for the wire since the last call."""
        return self._outgoing.read()
