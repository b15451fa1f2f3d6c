"""What each method must tell whom when the orchestrator has decided: one decision, many messengers.

Nothing here decides: attaches and decisions come in, facts for recipients go out, and what a recipient has been given
already is left out. `cloud` and `sticky` carry no decision anywhere: the device never learns of it.
"""

from collections.abc import Collection, Iterable
from itertools import count

from meclab import namerules, recipients
from meclab.facts import Attached, Fact, Named, Relocated, Resolved, Served, Tables
from meclab.plan import Plan
from meclab.policy import Decision
from meclab.recipients import CONTROLLER, FRONT, MEPM, SMF, UALCMP


class Steering:
    """The state of all messengers' tables; one a run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.recipients = recipients.of(plan)
        self.number = count(1).__next__
        """Counts everything that is told and has to be ordered."""
        self._method = plan.method
        self._tables = Tables()
        self._devices = {device.name: device for device in plan.devices}
        self._resolver = {point.name: point.resolver for point in plan.access_points}
        """Access point to the MEC host whose local resolver answers for it."""
        self._handed = dict(self._resolver)
        """The same, but for hosts that are not alive: what devices there are handed (`alive`)."""
        self._scoping = namerules.scoping(plan)
        self._by_resolver: dict[str, str | None] = dict.fromkeys(node.name for node in plan.mec_hosts)
        self._by_resolver |= {self._resolver[ap]: ap for ap in namerules.locations(plan)}
        """MEC host to the access point whose decision its resolver answers everybody; none where that has none."""
        self._subnets = {ap: namerules.of_location(plan, ap) for ap in self._resolver}
        self._subnets |= {name: namerules.of_device(plan, device) for name, device in self._devices.items()}
        self._sharing: dict[namerules.Subnets, list[str]] = {}
        """Client subnets to the devices, or access points, that they name, in the order of their rules' ids."""
        for name in sorted(self._subnets):
            self._sharing.setdefault(self._subnets[name], []).append(name)
        self._edges = {
            ap: edge
            for link in plan.links
            for ap, edge in ((link.a.node, link.b.node), (link.b.node, link.a.node))
            if ap in self._resolver and link.kind == "access"
        }
        self._at: dict[str, str] = {}
        """Device to the access point where it is attached."""
        self._place: dict[str, str] = {}
        """Device to the access point that its last decision was made for."""
        self._host: dict[str, str] = {}
        """Device, or access point with a decision of its own, to its decided host."""

    def attached(self, device: str, ap: str, sequence: int) -> tuple[Fact, ...]:
        """A device is at an access point, whatever will be decided."""
        before, self._at[device] = self._at.get(device), ap
        here = Attached(ap, sequence)
        if self._method.name == "bgp-anycast":
            edges = dict.fromkeys(self._edges[point] for point in (ap, before) if point is not None)
            return self._tables.news(Fact(edge, device, here) for edge in edges)
        facts = [Fact(CONTROLLER, device, here)]
        if self._method.label == "edge-dns-handed":
            facts.append(Fact(device, device, Resolved(self._handed[ap])))
        return self._tables.news(facts)

    def alive(self, hosts: Collection[str]) -> dict[str, tuple[Fact, ...]]:
        """These MEC hosts are alive. Where devices are handed a local resolver they get another, that of the nearest
        living host, when theirs falls silent with its host, and their own again when that is back: the facts of each
        device that this concerns. With no host alive everything stays as it is."""
        if self._method.label != "edge-dns-handed" or not hosts:
            return {}
        before, found = self._handed, {}
        self._handed = {ap: self._nearest(ap, hosts) for ap in before}
        for device, ap in self._at.items():
            if self._handed[ap] != before[ap]:
                rules = self._at_resolvers(device) if device in self._host else []
                found[device] = self._tables.news([*rules, Fact(device, device, Resolved(self._handed[ap]))])
        return found

    def learn(self, decisions: Iterable[Decision]) -> None:
        """Decisions that were made together: what is told of one is not undone by another of them."""
        for decision in decisions:
            self._host[decision.device] = decision.host
            if not decision.of_location:
                assert decision.ap is not None, "a device is decided for somewhere"
                self._place[decision.device] = decision.ap

    def decided(self, decision: Decision) -> tuple[Fact, ...]:
        """A device's decision."""
        self.learn([decision])
        device, host, place = decision.device, decision.host, self._place[decision.device]
        match self._method.name:
            case "vip":
                return self._tables.news([Fact(CONTROLLER, device, Served(host))])
            case "http-redirect":
                names = (FRONT, *(node.name for node in self.plan.mec_hosts))
                return self._tables.news(Fact(name, device, Served(host)) for name in names)
            case "devapp":
                return self._tables.news([Fact(UALCMP, device, Served(host))])
            case "ecs" | "edge-dns":
                return self._tables.news(self._names(device))
            case "easdf":
                moved = Relocated(place, host, decision.previous, self.number())
                return self._tables.news([*self._names(device), Fact(SMF, device, moved)])
        return ()

    def located(self, decision: Decision) -> tuple[Fact, ...]:
        """An access point's own decision: what everybody there is answered by name."""
        self.learn([decision])
        ap, host = decision.device, decision.host
        if self._scoping == "location":
            rules = Named(host, host, self._subnets[ap])
            return self._tables.news([Fact(MEPM, ap, rules)])
        resolver = self._resolver[ap]
        facts = [Fact(MEPM, ap, Named(resolver, host, None, f"name@{resolver}"))]
        for device in sorted(self._host.keys() & self._devices.keys()):
            facts += self._at_resolvers(device)
        return self._tables.news(facts)

    def lost(self, host: str) -> tuple[Fact, ...]:
        """A MEC host is back, and its own resolver may have lost what it was told: that is news again."""
        if self._scoping != "resolver":
            return ()
        lost = tuple(fact for fact in self._tables.known(MEPM) if _is_carried_by(fact, host))
        self.refused(lost)
        return lost

    def again(self, lost: Iterable[Fact]) -> tuple[Fact, ...]:
        """Of what was lost, what nobody has been given anew since."""
        known = {fact.key for fact in self._tables.known(MEPM)}
        return self._tables.news(fact for fact in lost if fact.key not in known)

    def shortfall(self, device: str) -> str:
        """Why the device's decision is not what names will tell it, in words; empty where they do. Of scopes with the
        same client subnets the one with the smaller id is answered."""
        host, place = self._host.get(device), self._place.get(device)
        if host is None or place is None or self._method.name not in ("ecs", "easdf"):
            return ""
        own = place if self._scoping == "location" else device
        first = next((name for name in self._sharing[self._subnets[own]] if name in self._host), own)
        answer = self._host.get(first)
        if answer in (None, host):
            return ""
        shared = f"{self._subnets[own][0]} is {first}'s" + (" too" if first != own else "")
        return f"{shared}, and answered {answer}: not its decision"

    def where(self, device: str) -> str | None:
        """The access point that a device is attached at; none before its first attach."""
        return self._at.get(device)

    def known(self, recipient: str) -> tuple[Fact, ...]:
        """Everything that a recipient is to know."""
        return self._tables.known(recipient)

    def refused(self, facts: Iterable[Fact]) -> None:
        """A recipient does not take these; they are told again when they are next decided."""
        for fact in facts:
            self._tables.forget(fact)

    def _nearest(self, ap: str, hosts: Iterable[str]) -> str:
        return min(hosts, key=lambda host: (self.plan.distance_ns[ap][host], host))

    def _names(self, device: str) -> list[Fact]:
        match self._scoping:
            case "resolver":
                return self._at_resolvers(device)
            case "device":
                host = self._host[device]
                return [Fact(MEPM, device, Named(host, host, self._subnets[device]))]
        return []

    def _at_resolvers(self, device: str) -> list[Fact]:
        """Rules of its own in the local resolvers that it asks, only where they would answer another host; what it
        has elsewhere is taken away (`Tables.news` leaves out what was never there)."""
        asked = {self._handed[ap] for ap in (self._at.get(device), self._place.get(device)) if ap is not None}
        facts = []
        for resolver, ap in self._by_resolver.items():
            answered = None if ap is None else self._host.get(ap)
            differs = resolver in asked and (ap is None or answered not in (None, self._host[device]))
            own = self._host[device] if differs else None
            facts.append(Fact(MEPM, device, Named(resolver, own, self._subnets[device], f"name@{resolver}")))
        return facts


def _is_carried_by(fact: Fact, host: str) -> bool:
    return isinstance(fact.content, Named) and fact.content.platform == host
