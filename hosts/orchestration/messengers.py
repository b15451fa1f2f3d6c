"""All messengers of a method: a courier for each recipient, and the notices to devices.

None of them waits for another, but for what goes on to the device: nothing reaches it at its new access point before
the controller has confirmed the attach, and a notification sent earlier costs TCP's retransmission timeout; and for
redirects: who sends a device on is told after the host that it sends it to, or the two would send it to and fro.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from hosts.orchestration.audit import Delivery, Entry
from hosts.orchestration.courier import Courier, Errand
from hosts.orchestration.notices import Notices
from hosts.web.client import Client
from hosts.web.serving import Task
from meclab.facts import Attached, Fact, Served
from meclab.recipients import CONTROLLER, UALCMP, Recipient
from meclab.steering import Steering

_TIMEOUT_S, _CONTROLLER_TIMEOUT_S = 1.0, 5.0
"""Longest wait for an answer; the controller waits for switches itself."""


class Messengers:
    """Hands each fact to whom it is for."""

    def __init__(self, couriers: Mapping[str, Courier], notices: Notices) -> None:
        self._couriers = couriers
        self._notices = notices
        self._attaching: Counter[str] = Counter()
        """How many attaches of a device the controller has not confirmed."""
        self._held: dict[str, list[Errand]] = {}
        """What waits for that, by device."""
        self._behind: dict[str, list[Errand]] = {}
        """What waits for the decided host to know that it serves, by device; of its newest decision alone."""

    @property
    def tasks(self) -> Sequence[Task]:
        """What is to run beside the server."""
        return [self._notices.open, *(courier.run for courier in self._couriers.values())]

    def tell(self, entry: Entry, facts: Iterable[Fact]) -> None:
        """Takes the facts of a decision; the entry of the audit log follows them."""
        errands: dict[str, list[Errand]] = {}
        for fact in facts:
            errands.setdefault(fact.recipient, []).append(Errand(entry, fact))
        entry.deliveries |= {name: Delivery(len(some)) for name, some in errands.items()}
        for errand in errands.get(CONTROLLER, ()):
            if isinstance(errand.fact.content, Attached):
                self._await_attach(entry.deliveries[CONTROLLER], errand.fact.subject)
        led = self._behind_host(entry, errands) if entry.decision is not None else frozenset()
        for name, some in errands.items():
            if name not in led:
                self._take(name, some)

    def _behind_host(self, entry: Entry, errands: Mapping[str, Sequence[Errand]]) -> frozenset[str]:
        """Keeps back those who redirect until the host that they redirect to has been told; their names."""
        decision = entry.decision
        assert decision is not None, "asked with a decision"
        if decision.host not in errands:
            return frozenset()
        for outdated in self._behind.pop(decision.device, ()):
            outdated.settle("superseded")
        serving = [errand for some in errands.values() for errand in some if isinstance(errand.fact.content, Served)]
        waiting = [errand for errand in serving if errand.fact.recipient != decision.host]
        for errand in waiting:
            errand.waits_for(f"goes when {decision.host} has been told")
        self._behind[decision.device] = waiting

        def ended() -> None:
            if self._behind.get(decision.device) is waiting:
                del self._behind[decision.device]
                for errand in waiting:
                    self._take(errand.fact.recipient, [errand])

        entry.deliveries[decision.host].then.append(ended)
        return frozenset(errand.fact.recipient for errand in waiting)

    def hurry(self, host: str) -> None:
        """A MEC host is back: what it is to be told itself need not wait for the next attempt."""
        if (courier := self._couriers.get(host)) is not None:
            courier.hurry()

    def _take(self, name: str, errands: Sequence[Errand]) -> None:
        courier = self._couriers.get(name)
        if name == UALCMP or courier is None:
            device = errands[0].fact.subject
            if self._attaching[device]:
                for errand in errands:
                    errand.waits_for("goes when the controller has confirmed the attach")
                self._held.setdefault(device, []).extend(errands)
                return
        (courier or self._notices).take(errands)

    def _await_attach(self, delivery: Delivery, device: str) -> None:
        def ended() -> None:
            self._attaching[device] -= 1
            if not self._attaching[device]:
                for errand in self._held.pop(device, ()):
                    self._take(errand.fact.recipient, [errand])

        self._attaching[device] += 1
        delivery.then.append(ended)

    def health(self) -> dict[str, object]:
        """State of every line, as a JSON object."""
        lines = {name: courier.health() for name, courier in self._couriers.items()}
        troubled = [name for name, line in lines.items() if line["error"] or line["refused"]]
        return {
            "status": "degraded" if troubled else "ok",
            "troubled": troubled,
            CONTROLLER: lines.get(CONTROLLER),
            "recipients": lines,
            "notices": self._notices.health(),
        }


def of(steering: Steering, clock_ns: Callable[[], int]) -> Messengers:
    """The messengers of a method."""
    couriers = {
        recipient.name: Courier(recipient, steering, _client(recipient), clock_ns) for recipient in steering.recipients
    }
    return Messengers(couriers, Notices(steering.plan, clock_ns, steering.where))


def _client(recipient: Recipient) -> Client:
    timeout_s = _CONTROLLER_TIMEOUT_S if recipient.kind == "controller" else _TIMEOUT_S
    return Client(recipient.address, recipient.port, timeout_s)
