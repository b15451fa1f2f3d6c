"""Control messages, each once and at its sender, classified by the plan's table of ports."""

import json
import re
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

from experiments.measurement import dns, http, openflow, p4runtime, routing, subjects
from experiments.measurement.datagrams import Datagram
from experiments.measurement.owners import Owners
from experiments.measurement.streams import Conversation, Stream
from experiments.measurement.subjects import Content
from experiments.measurement.traffic import Traffic
from meclab.observations import MessageSeen
from meclab.plan import Plan, SignallingPort

_OWN_CLASSES = ("steer", "pin")
_ATTACH_PATHS = ("/v1/attachments", "/v1/preparations")


def signalling(plan: Plan, traffic: Traffic) -> list[MessageSeen]:
    """Every control message of a run, in order of time."""
    reader = _Reader(plan, traffic.owners)
    found: list[MessageSeen] = []
    for node in traffic.files:
        for port in plan.signalling:
            if port.transport == "udp":
                for datagram in traffic.datagrams(node, port.port):
                    if traffic.owners.counts(node, datagram.source, datagram.destination):
                        found.append(reader.datagram(node, port, datagram))
            else:
                for conversation in traffic.conversations(node, port.port):
                    found += reader.conversation(node, port, conversation)
    return sorted(found, key=lambda message: message.at_ns)


class _Reader:
    """Turns packets into rows."""

    def __init__(self, plan: Plan, owners: Owners) -> None:
        self._owners = owners
        self._named_in_text = subjects.in_text(plan)
        self._named_in_bytes = subjects.in_bytes(plan)
        self._zone = plan.dns.zone
        self._made: dict[str, str] = {}
        """Path of a resource to the device that it was made for."""
        self._vips = plan.vip_ipv4.packed, plan.vip_ipv6.packed
        self._device_of = {address: d.name for d in plan.devices for address in d.owned}

    def datagram(self, node: str, port: SignallingPort, seen: Datagram) -> MessageSeen:
        content = {"dns": self._dns, "device": _notice}.get(port.role, _bfd)(seen.payload)
        device = self._owners.device(seen.source, seen.destination) or content.device
        row = _row(port, self._owners.sender(node, seen.source), device)
        return row(at_ns=seen.time_ns, message=content.text, size_bytes=seen.size, own=port.own and not content.foreign)

    def conversation(self, node: str, port: SignallingPort, seen: Conversation) -> Iterator[MessageSeen]:
        ends = seen.client, seen.server
        towards, back = self._owners.counts(node, *ends), self._owners.counts(node, *ends[::-1])
        senders = [self._owners.sender(node, address) for address in ends]
        if not (towards or back):
            return
        if port.role == "p4runtime":
            yield from self._p4runtime(port, seen, (senders[0], towards), (senders[1], back))
        elif port.role in ("openflow", "dns", "bgp"):
            read = {"openflow": self._openflow, "dns": self._dns_stream, "bgp": self._bgp}[port.role]
            streams = (seen.to_port, seen.from_port)
            for stream, sender, counts in zip(streams, senders, (towards, back), strict=True):
                if counts:
                    yield from read(stream, _row(port, sender, self._owners.device(*ends)), port.own)
        else:
            yield from self._http(port, seen, (senders[0], towards), (senders[1], back))

    def _openflow(self, stream: Stream, row: "partial[MessageSeen]", own: bool) -> Iterator[MessageSeen]:
        data = bytes(stream.data)
        for message in openflow.messages(data):
            yield row(
                at_ns=stream.passed_ns(message.end - 1),
                message=message.name,
                rule_class=message.rule_class,
                size_bytes=message.end - message.begin,
                own=own and message.rule_class in _OWN_CLASSES,
                device=self._named_in_bytes(data[message.begin : message.end]) if message.rule_class else "",
            )

    def _p4runtime(
        self, port: SignallingPort, seen: Conversation, controller: tuple[str, bool], switch: tuple[str, bool]
    ) -> Iterator[MessageSeen]:
        """Both directions together: a reply is about what its request was about."""
        for message in p4runtime.messages(bytes(seen.to_port.data), bytes(seen.from_port.data)):
            stream = seen.to_port if message.from_controller else seen.from_port
            sender, counts = controller if message.from_controller else switch
            if counts:
                yield _row(port, sender, self._owners.device(seen.client, seen.server))(
                    at_ns=stream.passed_ns(message.end - 1),
                    message=message.name,
                    rule_class=message.rule_class,
                    size_bytes=message.size,
                    own=port.own and message.rule_class in _OWN_CLASSES,
                    device=self._named_in_bytes(message.content) if message.rule_class else "",
                )

    def _dns_stream(self, stream: Stream, row: "partial[MessageSeen]", own: bool) -> Iterator[MessageSeen]:
        data = bytes(stream.data)
        for begin, end in dns.split(data):
            content = self._dns(data[begin:end])
            device = row.keywords["device"] or content.device
            yield row(
                at_ns=stream.passed_ns(end - 1),
                message=content.text,
                size_bytes=end - begin,
                own=own and not content.foreign,
                device=device,
            )

    def _bgp(self, stream: Stream, row: "partial[MessageSeen]", own: bool) -> Iterator[MessageSeen]:
        """Announcing a device is what attaches it."""
        data = bytes(stream.data)
        for message in routing.messages(data):
            content = data[message.begin : message.end]
            device = self._named_in_bytes(content) if message.name == "UPDATE" else ""
            attaches = bool(device) and not any(vip in content for vip in self._vips)
            yield row(
                at_ns=stream.passed_ns(message.end - 1),
                message=message.name,
                rule_class="attach" if attaches else "",
                size_bytes=message.end - message.begin,
                own=own and not attaches,
                device=device,
            )

    def _http(
        self, port: SignallingPort, seen: Conversation, client: tuple[str, bool], server: tuple[str, bool]
    ) -> Iterator[MessageSeen]:
        """Requests with their responses: a response is about what its request was about."""
        answers = list(http.messages(bytes(seen.from_port.data)))
        for number, request in enumerate(http.messages(bytes(seen.to_port.data))):
            rule_class = _class(port, request)
            own = port.own and rule_class != "attach" and (port.role != "northbound" or rule_class in _OWN_CLASSES)
            device = self._owners.device(seen.client, seen.server) or self._about(port, request)
            if device and number < len(answers) and answers[number].target == "201":
                self._made[urlsplit(answers[number].location).path] = device
            pair = [(seen.to_port, request, *client)]
            pair += [(seen.from_port, answer, *server) for answer in answers[number : number + 1]]
            for stream, message, sender, counts in pair:
                if counts:
                    yield _row(port, sender, device)(
                        at_ns=stream.passed_ns(message.end - 1),
                        message=message.target,
                        rule_class=rule_class,
                        size_bytes=message.end - message.begin,
                        own=own,
                    )

    def _about(self, port: SignallingPort, request: http.Message) -> str:
        if port.role == "northbound":
            return subjects.transaction(request.body).device
        made = self._made.get(request.target.partition(" ")[2], "")
        return made or self._named_in_text(request.start_line.encode() + b" " + request.body)

    def _dns(self, payload: bytes) -> Content:
        """A message behind a resolver is about the device whose address is its client subnet, if it is one."""
        message = dns.parse(payload)
        if message is None:
            return Content("not DNS", foreign=True)
        subnet = message.subnet
        single = subnet is not None and subnet.prefixlen == subnet.max_prefixlen
        device = self._device_of.get(subnet.network_address, "") if subnet is not None and single else ""
        return Content(message.text, device, foreign=not f".{message.name}".endswith(f".{self._zone}"))


def _row(port: SignallingPort, sender: str, device: str) -> "partial[MessageSeen]":
    """What is to be completed to a row."""
    return partial(MessageSeen, role=port.role, rule_class="", device=device, sender=sender)


def _notice(payload: bytes) -> Content:
    """A notice to a device, or its acknowledgement, by its kind (`meclab.messages.Notice`)."""
    try:
        return Content(str(json.loads(payload)["kind"]))
    except (ValueError, KeyError, TypeError):
        kind = re.search(rb'"kind": ?"(\w+)"', payload)
        return Content(kind.group(1).decode() if kind else "notice")


def _bfd(payload: bytes) -> Content:
    return Content(routing.bfd(payload))


def _class(port: SignallingPort, request: http.Message) -> str:
    """The class of the rules that a request brings; empty where it brings none."""
    if port.role == "northbound":
        return subjects.transaction(request.body).rule_class
    attaches = port.role in ("orchestrator", "router") and request.target.endswith(_ATTACH_PATHS)
    return "attach" if attaches else ""
