"""Federation agreements: directed, from an originating operator that uses to a partner that offers (GSMA OPG.04).

```
          create                suspend (LOCKED)
 (none) ─────────> AVAILABLE <──────────────────> LOCKED        either side suspends; who did resumes
                       │ term is over                │
                       v            renew            │
                 NOT_AVAILABLE ─────────> AVAILABLE  │
                       └──────────> (ended) <────────┘          either side ends: nothing is left of it
```

Two of them, one each way, make a federation mutual. What an agreement allows is asked at each request, with the time
of that request: nothing goes on because it once was allowed.
"""

from dataclasses import dataclass, field
from typing import Literal

from meclab.federation.denials import Denied
from meclab.federation.parties import Terms
from meclab.federation.partnership import FederationUpdate, FixedNetworkIds, MobileNetworkIds, Status

Relationship = Literal["none", "uses", "offers", "mutual"]
"""What one operator does with another's resources: nothing, use them, offer its own, both."""


@dataclass
class Agreement:
    """One directed federation."""

    context: str
    """federationContextId, the partner's to give."""
    originating: str
    partner: str
    terms: Terms
    expires_ns: int
    status_link: str
    """Where the originating operator hears of changes."""
    locked_by: set[str] = field(default_factory=set)
    zones: dict[str, str] = field(default_factory=dict)
    """Zones that the originating operator has accepted, and where it hears of each."""
    mobile_networks: MobileNetworkIds | None = None
    fixed_networks: FixedNetworkIds | None = None

    def status(self, now_ns: int) -> Status:
        """What it is at a time."""
        if now_ns >= self.expires_ns:
            return "NOT_AVAILABLE"
        return "LOCKED" if self.locked_by else "AVAILABLE"

    def renew(self, now_ns: int) -> None:
        """Another term from now on."""
        self.expires_ns = now_ns + self.terms.lasts_ns

    def require(self, now_ns: int) -> None:
        """Raises `Denied` where nothing may be done under it."""
        status = self.status(now_ns)
        if status == "LOCKED":
            raise Denied("forbidden", "FEDERATION_LOCKED", "the federation is suspended")
        if status != "AVAILABLE":
            raise Denied("forbidden", "FEDERATION_EXPIRED", "the federation's term is over; renew it")


class Agreements:
    """A federator's agreements, in both directions."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._offered: dict[str, Agreement] = {}
        """By context: others use what this one offers."""
        self._used: dict[str, Agreement] = {}
        """By partner: this one uses what the partner offers."""

    def offer(
        self, client: str, originating: str, terms: Terms | None, status_link: str, now_ns: int, context: str
    ) -> Agreement:
        """A new one with a client that asks for it, under these terms. Raises `Denied`: no terms for that client,
        another name than the certificate's, or a federation that exists already."""
        if terms is None:
            raise Denied("forbidden", "NOT_ELIGIBLE", "no federation is offered to this operator")
        if originating != client:
            raise Denied("forbidden", "IDENTITY_MISMATCH", "origOPFederationId is not the certificate's subject")
        if self.offered_to(client) is not None:
            raise Denied("duplicate", "FEDERATION_EXISTS", "there is a federation in this direction")
        made = Agreement(context, client, self._own, terms, now_ns + terms.lasts_ns, status_link)
        self._offered[context] = made
        return made

    def use(self, agreement: Agreement) -> None:
        """Keeps what a partner has agreed to."""
        self._used[agreement.partner] = agreement

    def find(self, context: str, client: str) -> Agreement:
        """The one under which a client asks. Raises `Denied`; another client's is unknown to it."""
        found = self._offered.get(context)
        if found is None or found.originating != client:
            raise Denied("unknown", "UNKNOWN_FEDERATION", "no such federation")
        return found

    def offered_to(self, other: str) -> Agreement | None:
        """The one under which another operator uses what this one offers."""
        return next((known for known in self._offered.values() if known.originating == other), None)

    def used_from(self, other: str) -> Agreement | None:
        """The one under which this operator uses what another offers."""
        return self._used.get(other)

    def end(self, agreement: Agreement) -> None:
        """Forgets it."""
        if agreement.partner == self._own:
            self._offered.pop(agreement.context, None)
        else:
            self._used.pop(agreement.partner, None)

    def listed(self) -> list[Agreement]:
        """All, those offered first."""
        return [*self._offered.values(), *self._used.values()]

    def relationship(self, other: str, now_ns: int) -> Relationship:
        """With another operator, as far as agreements are in force."""
        offers, uses = (
            known is not None and known.status(now_ns) == "AVAILABLE"
            for known in (self.offered_to(other), self.used_from(other))
        )
        if offers and uses:
            return "mutual"
        return "offers" if offers else "uses" if uses else "none"

    def require_offered(self, other: str, now_ns: int) -> Agreement:
        """The agreement under which another operator may see something now. Raises `Denied`."""
        found = self.offered_to(other)
        if found is None:
            raise Denied("forbidden", "NO_AGREEMENT", "no federation agreement allows this")
        found.require(now_ns)
        return found


def accept_zones(agreement: Agreement, zones: tuple[str, ...], link: str) -> None:
    """The originating operator will use these zones; all of them or, on any `Denied`, none."""
    if hidden := [zone for zone in zones if zone not in agreement.terms.zones]:
        raise Denied("forbidden", "ZONE_NOT_OFFERED", f"the agreement does not offer {', '.join(sorted(hidden))}")
    if twice := [zone for zone in zones if zone in agreement.zones]:
        raise Denied("duplicate", "ZONE_ACCEPTED", f"accepted already: {', '.join(sorted(twice))}")
    agreement.zones |= dict.fromkeys(zones, link)


def accepted_zone(agreement: Agreement, zone: str) -> str:
    """Where the originating operator hears of a zone that it has accepted. Raises `Denied`: the same for a zone that
    is not offered and one that is not there."""
    if zone not in agreement.zones:
        raise Denied("unknown", "UNKNOWN_ZONE", "no such zone in this federation")
    return agreement.zones[zone]


def change_networks(agreement: Agreement, update: FederationUpdate) -> None:
    """The originating operator's network codes change. Raises `Denied` where the kind of code and what is given do
    not fit."""
    mobile = update.objectType == "MOBILE_NETWORK_CODES"
    add = update.addMobileNetworkIds if mobile else update.addFixedNetworkIds
    remove = update.removeMobileNetworkIds if mobile else update.removeFixedNetworkIds
    needed = {"ADD_CODES": (add,), "REMOVE_CODES": (remove,), "UPDATE_CODES": (add, remove)}[update.operationType]
    if None in needed:
        raise Denied("invalid", "CODES_MISSING", f"{update.operationType} of {update.objectType} lacks its codes")
    if isinstance(add, MobileNetworkIds) or isinstance(remove, MobileNetworkIds):
        agreement.mobile_networks = _networks(agreement.mobile_networks, add, remove)
    else:
        kept = [code for code in agreement.fixed_networks or () if code not in (remove or ())]
        agreement.fixed_networks = tuple(dict.fromkeys([*kept, *(add or ())])) or None


def _networks(before: MobileNetworkIds | None, add: object, remove: object) -> MobileNetworkIds | None:
    """One country's codes: those of another country take their place."""
    codes = list(before.mncs or ()) if before is not None else []
    country = before.mcc if before is not None else None
    if isinstance(remove, MobileNetworkIds):
        codes = [code for code in codes if code not in (remove.mncs or ())]
    if isinstance(add, MobileNetworkIds):
        if add.mcc not in (None, country):
            country, codes = add.mcc, []
        codes = list(dict.fromkeys([*codes, *(add.mncs or ())]))
    return MobileNetworkIds(mcc=country, mncs=tuple(codes) or None) if codes or country else None
