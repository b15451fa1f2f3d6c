"""A federator's identity: certificate and key, the lab's authority, both sides of TLS 1.3 with them, the key log.

A certificate that another authority signed ends the handshake (alert `unknown_ca`): there is nobody to answer. Its
refusal is reported by `Handshakes`. A certificate that has expired, or none, is let through to be answered with 401;
`hosts.federation.gate` looks at the time of each request, since connections outlive certificates.
"""

import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import trustme

AUTHORITY: Final = "federation-ca.pem"
_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python's `ssl.VerifyFlags` does not name."""


class Authority:
    """The lab's certificate authority for federations, made anew for every run. Its own key is kept nowhere."""

    def __init__(self, name: str) -> None:
        self._authority = trustme.CA(organization_name=name)

    def publish(self, folder: Path) -> None:
        """Writes its certificate."""
        self._authority.cert_pem.write_to_path(str(folder / AUTHORITY))

    def issue(
        self,
        folder: Path,
        name: str,
        addresses: Iterable[str] = (),
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> "Identity":
        """A certificate for a party, as client and as server: `NAME.pem` (with the chain), `NAME-key.pem`."""
        issued = self._authority.issue_cert(
            name, *addresses, common_name=name, not_before=not_before, not_after=not_after
        )
        (folder / f"{name}.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key = folder / f"{name}-key.pem"
        key.touch(mode=0o600)
        key.write_bytes(issued.private_key_pem.bytes())
        return Identity(name, folder)


@dataclass(frozen=True)
class Identity:
    """Where a party's certificate and key are."""

    name: str
    folder: Path
    key_log: Path | None = None
    """For Wireshark: the secrets of every TLS connection."""

    def client_context(self) -> ssl.SSLContext:
        """The asking side. Raises `OSError`."""
        context = ssl.create_default_context(cafile=str(self.folder / AUTHORITY))
        return self._own(context)

    def server_context(self, refused: Callable[[str], None]) -> ssl.SSLContext:
        """The answering side; `refused` hears why a handshake failed. Raises `OSError`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_verify_locations(self.folder / AUTHORITY)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
        context.num_tickets = 0
        context.sslobject_class = _handshakes(refused)
        return self._own(context)

    def _own(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.folder / f"{self.name}.pem", self.folder / f"{self.name}-key.pem")
        if self.key_log is not None:
            context.keylog_filename = str(self.key_log)
        return context


def _handshakes(refused: Callable[[str], None]) -> type[ssl.SSLObject]:
    """The server's side of connections, which reports handshakes that fail: the event loop only drops them."""

    class Handshakes(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                refused(getattr(error, "verify_message", None) or error.reason or str(error))
                raise

    return Handshakes
