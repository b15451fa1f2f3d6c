"""The lab's own certificate authority, made anew for every run that has TLS."""

from pathlib import Path

import trustme

from hosts.web.sites import AUTHORITY, FOLDER
from meclab.plan import Plan


def issue(plan: Plan, run_dir: Path) -> None:
    """A new authority, and a certificate for every host that serves the application: `tls/ca.pem`, and for each
    `tls/HOST.pem` (with the chain) and `tls/HOST-key.pem`. The authority's own key is kept nowhere."""
    folder = run_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    authority = trustme.CA(organization_name=f"meclab {plan.scenario}")
    authority.cert_pem.write_to_path(str(folder / AUTHORITY))
    for host in dict.fromkeys((*plan.runs("app"), *plan.runs("front"))):
        issued = authority.issue_cert(*_identities(plan, host), common_name=_bare(plan.host_name(host)))
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        (folder / f"{host}.pem").write_bytes(chain)
        key = folder / f"{host}-key.pem"
        key.touch(mode=0o600)
        key.write_bytes(issued.private_key_pem.bytes())


def _identities(plan: Plan, host: str) -> tuple[str, ...]:
    """What a client may call a host: its addresses, the virtual ones where it has them, its name and the
    application's."""
    node = plan.node(host)
    virtual = (plan.vip_ipv4, plan.vip_ipv6) if node.serves_vip else ()
    addresses = [str(address) for address in (node.ipv4, node.ipv6, *virtual) if address is not None]
    return (*addresses, _bare(plan.host_name(host)), _bare(plan.dns.name))


def _bare(name: str) -> str:
    return name.removesuffix(".")
