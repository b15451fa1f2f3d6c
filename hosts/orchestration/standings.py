"""What the orchestrator knows of devices, locations and hosts, and what it answers to an attach."""

from dataclasses import dataclass, field
from typing import Literal

from meclab.errors import PeerError
from meclab.policy import Decision, HostState


class UnknownName(PeerError):
    """A message names a device, access point or host that the plan does not have."""


class Conflict(PeerError):
    """A message contradicts what is known."""


@dataclass(frozen=True)
class Prepared:
    """A move that was announced and has not happened yet."""

    ap: str
    from_host: str | None
    until_ns: int
    """When it is not waited for any longer."""
    decided: bool = False
    """Whether the decision for it has been made."""


@dataclass
class Standing:
    """What is decided for one device or location."""

    decision: Decision | None = None
    """The last one; none where no host was alive."""
    host: str | None = None
    changed_ns: int | None = None
    """When its host last changed; none before the first change."""
    held_until_ns: int | None = None
    """End of the dwell time that keeps it from a better host."""


@dataclass
class Attachment(Standing):
    """What is known of one device."""

    ap: str = ""
    sequence: int = -1
    attached_ns: int = 0
    """CLOCK_REALTIME of the attach, as the access point told it."""
    prepared: Prepared | None = None

    @property
    def place(self) -> str:
        """The access point that it is decided for: where it is to go, or where it is."""
        return self.prepared.ap if self.prepared else self.ap


@dataclass
class HostRecord:
    """What is known of one MEC host."""

    state: HostState = field(default_factory=HostState)
    heard_ns: int | None = None
    """Its last report; none before the first: until then it is taken to live, idle."""


@dataclass(frozen=True)
class AttachResult:
    """What an attach, or its announcement, led to: `decided`, `delayed` (the decision comes later), or nothing because
    it repeats or is older than what is known."""

    outcome: Literal["decided", "delayed", "repeated", "outdated"]
    decision: Decision | None
