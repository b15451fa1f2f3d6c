"""Why a federator refuses; which HTTP status that is depends on the interface (`hosts.federation.gate`)."""

from typing import Literal

from meclab.errors import PeerError

Kind = Literal["unauthenticated", "forbidden", "unknown", "duplicate", "invalid"]
"""`forbidden`: known who it is, and no agreement or scope allows it."""


class Denied(PeerError):
    """A refusal by a rule; the rule's name goes to the audit log, and to the other side as `cause`."""

    def __init__(self, kind: Kind, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.kind: Kind = kind
        self.rule = rule
