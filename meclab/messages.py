"""Bodies of the lab's HTTP interfaces, and the classes of flow rules.

Orchestrator (`packets.ORCHESTRATOR_PORT`): `POST /v1/attachments` takes an `AttachEvent`,
`POST /v1/loads` a `LoadReport`. Controller's northbound (`packets.NORTHBOUND_PORT`): `POST /v1/transactions`
takes a `Transaction` and answers a `TransactionResult` once every switch has confirmed.
"""

from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from pydantic import BaseModel, ConfigDict

from meclab.quantity import Fraction
from meclab.scenario import Name


class Body(BaseModel):
    """A message's body; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AttachEvent(Body):
    """An access point tells the orchestrator that a device has attached."""

    device: Name
    ap: Name
    at_ns: int
    """CLOCK_REALTIME of the attach."""
    sequence: int
    """Counts the attaches of one device, so that a late repetition is recognised."""


class LoadReport(Body):
    """A MEC host tells its load."""

    host: Name
    load: Fraction


class BreakoutIntent(Body):
    """Traffic between devices and `prefix` leaves to the local host at `edge`."""

    edge: Name
    prefix: IPv4Network | IPv6Network


class Transaction(Body):
    """Intents that change together: all of them or, on any error, none."""

    attach: dict[Name, Name] = {}
    """Device to access point."""
    serve: dict[Name, Name | None] = {}
    """Device to the MEC host that serves the virtual address to it; null takes the rule away."""
    breakout: tuple[BreakoutIntent, ...] = ()
    remove_breakout: tuple[BreakoutIntent, ...] = ()


class TransactionResult(Body):
    """What a transaction changed; sent once every switch touched has answered its barrier."""

    number: int
    switches: tuple[str, ...]
    rules_added: int
    rules_removed: int
    unreached: tuple[str, ...] = ()
    """Switches that are not connected; they get the intended state when they come back."""


class Start(Body):
    """Asks the process that forks the host programs (`python -m hosts`) to start one in a node's namespaces."""

    node: Name
    program: Literal["echo", "app", "meo", "agent"]
    namespace_pid: int
    """A process that is in the node's network and mount namespaces."""
    log: str
    """File for its standard output and error."""


class Stop(Body):
    """Asks for a program to be ended: `SIGTERM` lets it write its log, `SIGKILL` does not."""

    node: Name
    program: str
    signal: Literal["SIGTERM", "SIGKILL"] = "SIGTERM"


class ProgramEvent(Body):
    """What became of a program: it runs, it is ready to serve, it ended."""

    event: Literal["started", "ready", "exited"]
    node: Name
    program: str
    pid: int
    status: int | None = None
    """Exit status, negative for a signal; with `exited`."""


class RuleClass(IntEnum):
    """Why a flow rule exists: the top byte of its cookie, and of the xid of messages that carry it."""

    BASE = 1
    """What the network needs with no device: ARP, ND, routes, breakout."""
    ATTACH = 2
    """What every method needs to attach a device."""
    STEER = 3
    """Which host serves the virtual address to a device: the method's own."""
    PIN = 4
    """A connection that stays with its host: the method's own."""
