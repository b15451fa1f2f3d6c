"""All messengers of a method: a courier for each recipient, and the notices to devices.

None of them waits for another, but for what goes on to the device: nothing reaches it at its new access point before
the controller has confirmed the attach, and a notification sent earlier costs TCP's retransmission timeout.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from hosts.audit import Delivery, Entry
from hosts.client import Client
from hosts.courier import Courier, Errand
from hosts.notices import Notices
from hosts.serving import Task
from meclab.facts import Attached, Fact
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
        for name, some in errands.items():
            self._take(name, some)

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
    return Messengers(couriers, Notices(steering.plan, clock_ns))


def _client(recipient: Recipient) -> Client:
    timeout_s = _CONTROLLER_TIMEOUT_S if recipient.kind == "controller" else _TIMEOUT_S
    return Client(recipient.address, recipient.port, timeout_s)
