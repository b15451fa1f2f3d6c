"""Where a host serves the application: HTTP, and where the plan has TLS the same over that (RFC 8446)."""

import ssl
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp

from hosts.program import Context
from hosts.web import serving
from hosts.web.serving import Site
from meclab.packets import APP_PORT, APP_TLS_PORT

FOLDER: Final = "tls"
"""In the run's folder: what `hosts.web.certificates` issued."""
AUTHORITY: Final = "ca.pem"
_TICKETS: Final = 2
"""Sent after a full handshake; each resumes one connection to the same host."""


def of_application(context: Context, application: ASGIApp) -> list[Site]:
    """On every address of the host. Raises `OSError`."""
    sites = [Site(application, serving.listen(APP_PORT))]
    if context.plan.serves_tls:
        sites.append(Site(application, serving.listen(APP_TLS_PORT), server_context(context.run_dir, context.node)))
    return sites


def server_context(run_dir: Path, host: str) -> ssl.SSLContext:
    """A host's side of TLS 1.3, with session tickets under a key that dies with the process.

    The key log for Wireshark is `logs/HOST-tls-keys.log`. Raises `OSError` where there is no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = _TICKETS
    context.set_alpn_protocols(["http/1.1"])
    folder = run_dir / FOLDER
    context.load_cert_chain(folder / f"{host}.pem", folder / f"{host}-key.pem")
    context.keylog_filename = str(run_dir / "logs" / f"{host}-tls-keys.log")
    return context
