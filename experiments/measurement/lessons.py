"""What told each device of a server, and when it arrived: DNS answers, redirects, notifications and contexts."""

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from experiments.measurement import dns, http
from experiments.measurement.datagrams import Datagram
from experiments.measurement.traffic import Traffic
from meclab.model import SECOND
from meclab.observations import Lesson, LessonSeen, RequestSeen
from meclab.packets import CALLBACK_PORT, DNS_PORT, UALCMP_PORT
from meclab.plan import Plan

_REFERENCE = re.compile(rb'"referenceURI":\s*"([^"\0]+)"')


def lessons(plan: Plan, traffic: Traffic, requests: Iterable[RequestSeen]) -> list[LessonSeen]:
    """Every message that names a server to a device, in order of time."""
    reader = _Reader(plan, traffic)
    found = [lesson for device in plan.devices for lesson in reader.of(device.name)]
    for request in requests:
        if request.location and request.answered_ns is not None:
            found.append(reader.lesson(request.device, request.answered_ns, "redirect", _place(request.location)))
    return sorted(found, key=lambda lesson: lesson.at_ns)


class _Reader:
    def __init__(self, plan: Plan, traffic: Traffic) -> None:
        self._plan = plan
        self._traffic = traffic
        self._named = {plan.host_name(node.name).rstrip("."): node.name for node in plan.nodes}
        self._version = 4 if plan.family == "ipv4" else 6

    def of(self, device: str) -> Iterator[LessonSeen]:
        for datagram in self._traffic.datagrams(device, DNS_PORT):
            if self._came(device, datagram):
                yield from self._answers(device, datagram.time_ns, datagram.payload)
        for conversation in self._traffic.conversations(device, DNS_PORT):
            data = bytes(conversation.from_port.data)
            for begin, end in dns.split(data):
                yield from self._answers(device, conversation.from_port.passed_ns(end - 1), data[begin:end])
        for conversation in self._traffic.conversations(device, UALCMP_PORT):
            for answer in http.messages(bytes(conversation.from_port.data)):
                if answer.target == "201":
                    at_ns = conversation.from_port.passed_ns(answer.end - 1)
                    yield from self._reference(device, at_ns, "context", answer.body)
        for conversation in self._traffic.conversations(device, CALLBACK_PORT):
            for request in http.messages(bytes(conversation.to_port.data)):
                at_ns = conversation.to_port.passed_ns(request.end - 1)
                yield from self._reference(device, at_ns, "notification", request.body)

    def lesson(self, device: str, at_ns: int, by: Lesson, place: str, handed_ns: int | None = None) -> LessonSeen:
        """`place` is an address or a host's name."""
        host = self._traffic.owners.host(_plain(place)) or self._named.get(place.lower().rstrip("."), "")
        return LessonSeen(device, at_ns, by, host, place, handed_ns)

    def _came(self, device: str, datagram: Datagram) -> bool:
        return datagram.source_port == DNS_PORT and self._traffic.owners.device(datagram.destination) == device

    def _answers(self, device: str, at_ns: int, payload: bytes) -> Iterator[LessonSeen]:
        message = dns.parse(payload)
        if message is None or not message.is_response:
            return
        for answer in message.answers:
            if answer.address.version != self._version:
                continue
            own = message.name == self._plan.dns.name
            aged_ns = max(0, self._plan.dns.ttl - answer.ttl_s * SECOND)
            handed_ns = at_ns - aged_ns if own else None
            yield self.lesson(device, at_ns, "dns", str(answer.address), handed_ns)

    def _reference(self, device: str, at_ns: int, by: Lesson, body: bytes) -> Iterator[LessonSeen]:
        """By the text and not as JSON: a body cut short in the capture is searched as far as it goes."""
        for uri in dict.fromkeys(_REFERENCE.findall(body)):
            yield self.lesson(device, at_ns, by, _place(uri.decode(errors="replace")))


def _place(uri: str) -> str:
    """The host part of a URI; the text itself where it is none."""
    try:
        return urlsplit(uri).hostname or uri
    except ValueError:
        return uri


def _plain(place: str) -> str:
    """An address as it is usually written; other text as it is."""
    try:
        return str(ip_address(place))
    except ValueError:
        return place
