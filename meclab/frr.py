"""FRR's configuration and command lines as text (FRR 8.4: zebra, bgpd, bfdd), pure.

Every speaker of `meclab.routers` runs three daemons, with their files in `FOLDER` of its own mount namespace: there
`vtysh` finds them without being told. FRR itself adds to the timers named here: bgpd holds a change for 50 ms before it
acts on it and tells the next, and zebra, unless told otherwise, for 10 ms before the kernel's table changes.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from meclab.model import MILLISECOND, SECOND
from meclab.plan import Plan
from meclab.routers import Session, Speaker
from meclab.settings import Bgp

FOLDER = "/run/frr"
BINARIES = "/usr/lib/frr"
ZEBRA = "zebra"
"""Starts first: a daemon that does not find its socket (`ZEBRA_SOCKET`) tries again ten seconds later."""
ZEBRA_SOCKET = "zserv.api"
OTHERS = ("bgpd", "bfdd")
USER = "frr"
_CAPABILITIES = ("net_bind_service", "net_broadcast", "net_admin", "net_raw", "sys_admin", "setuid", "setgid")
_ANYCAST, _NOTHING = "anycast", "nothing"


def command(daemon: str) -> list[str]:
    """Runs a daemon in the foreground, its log on standard output.

    It becomes FRR's user before FRR would itself: a process that changes its user forgets that it wanted to die with
    its parent.
    """
    capabilities = ",".join(f"+{name}" for name in _CAPABILITIES)
    user = [f"--reuid={USER}", f"--regid={USER}", "--init-groups"]
    user += [f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}", "--pdeathsig=KILL"]
    files = ["-f", f"{FOLDER}/{daemon}.conf", "-i", f"{FOLDER}/{daemon}.pid"]
    terminal = ["-A", "127.0.0.1", "-P", "0"]
    return ["setpriv", *user, "--", f"{BINARIES}/{daemon}", *files, *terminal, "--log", "stdout"]


def configuration(plan: Plan, speaker: Speaker) -> dict[str, str]:
    """Daemon to the text of its configuration file."""
    texts = {
        ZEBRA: [*_zebra(speaker)] if speaker.is_router else [],
        "bgpd": _bgpd(plan, speaker),
        "bfdd": _bfdd(plan, speaker),
    }
    return {daemon: "\n".join([f"hostname {speaker.name}", *lines]) + "\n" for daemon, lines in texts.items()}


def _zebra(speaker: Speaker) -> list[str]:
    """What a router sends itself comes from its own address, which every other router knows."""
    lines = ["zebra work-queue 0"]
    for word, address in (("ip", speaker.loopback[0]), ("ipv6", speaker.loopback[1])):
        lines += [f"route-map {word}-source permit 10", f" set src {address}", "exit"]
        lines += [f"{word} protocol bgp route-map {word}-source"]
    return lines


def _bfdd(plan: Plan, speaker: Speaker) -> list[str]:
    """The sessions that bgpd asks for. It does so twice, before it knows its own address and after: bfdd makes two
    then, with two discriminators, and a peer that has heard of the first is lost to the second for three seconds.
    One that is there already stays."""
    interval_ms = plan.bgp.bfd_interval // MILLISECOND
    lines = ["bfd"]
    for session in speaker.sessions:
        lines += [f" peer {session.peer[0]} local-address {session.own[0]} interface {session.interface}"]
        lines += [f"  detect-multiplier {plan.bgp.bfd_multiplier}"]
        lines += [f"  {way}-interval {interval_ms}" for way in ("receive", "transmit")]
        lines += [" exit"]
    return [*lines, "exit"]


def _bgpd(plan: Plan, speaker: Speaker) -> list[str]:
    lines = [
        f"router bgp {speaker.number}",
        f" bgp router-id {speaker.loopback[0]}",
        " bgp log-neighbor-changes",
        " no bgp default ipv4-unicast",
        " no bgp ebgp-requires-policy",
        " no bgp network import-check",
        " bgp bestpath compare-routerid",
        " bgp graceful-restart-disable",
        " coalesce-time 0",
    ]
    for session in speaker.sessions:
        lines += _neighbour(session, plan.bgp)
    vip = (plan.vip_ipv4, plan.vip_ipv6)
    for index, family in enumerate(("ipv4", "ipv6")):
        announced = speaker.loopback[index] if speaker.is_router else vip[index]
        lines += _family(speaker, family, announced)
    return [*lines, "exit", *_filters(vip)]


def _neighbour(session: Session, bgp: Bgp) -> list[str]:
    interval_ms = bgp.bfd_interval // MILLISECOND
    start = f" neighbor {session.peer[0]}"
    return [
        f"{start} remote-as {session.peer_as}",
        f"{start} description {session.peer_name}",
        *([f"{start} passive"] if session.waits else []),
        f"{start} timers {bgp.keepalive // SECOND} {bgp.hold_time // SECOND}",
        f"{start} timers connect 1",
        f"{start} advertisement-interval {bgp.advertisement_interval // SECOND}",
        f"{start} bfd {bgp.bfd_multiplier} {interval_ms} {interval_ms}",
    ]


def _family(speaker: Speaker, family: str, announced: IPv4Address | IPv6Address) -> list[str]:
    """A router passes on what the kernel was told by others than FRR: its hosts, and the devices attached now."""
    lines = [f" address-family {family} unicast", f"  network {announced}/{announced.max_prefixlen}"]
    if speaker.is_router:
        lines += ["  redistribute kernel metric 0"]
    lines += ["  maximum-paths 1"]
    for session in speaker.sessions:
        lines += [f"  neighbor {session.peer[0]} activate"]
        if session.with_host and speaker.is_router:
            lines += [f"  neighbor {session.peer[0]} prefix-list {_ANYCAST} in"]
        if session.with_host:
            way = "out" if speaker.is_router else "in"
            lines += [f"  neighbor {session.peer[0]} route-map {_NOTHING} {way}"]
    return [*lines, " exit-address-family"]


def _filters(vip: Sequence[IPv4Address | IPv6Address]) -> list[str]:
    """A host may announce the virtual address and nothing else, and is told nothing."""
    lines = [f"route-map {_NOTHING} deny 10", "exit"]
    for word, address in zip(("ip", "ipv6"), vip, strict=True):
        lines += [f"{word} prefix-list {_ANYCAST} permit {address}/{address.max_prefixlen}"]
    return lines
