"""Control messages, each once and at its sender, classified by the plan's table of ports."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from experiments.measurement import dns, http, openflow, routing
from experiments.measurement.datagrams import Datagram
from experiments.measurement.owners import Owners
from experiments.measurement.streams import Conversation, Stream
from experiments.measurement.traffic import Traffic
from meclab.observations import MessageSeen
from meclab.plan import Plan, SignallingPort

_OWN_CLASSES = ("steer", "pin")
_ATTACH_PATHS = ("/v1/attachments", "/v1/preparations")
Find = Callable[[bytes], str]


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


@dataclass(frozen=True)
class _Content:
    """What a message says of itself."""

    text: str
    device: str = ""
    rule_class: str = ""
    foreign: bool = False
    """Whether it is about nothing of the lab's, such as a name that some program looks up for itself."""


class _Reader:
    """Turns packets into rows."""

    def __init__(self, plan: Plan, owners: Owners) -> None:
        self._owners = owners
        self._named_in_text = _by_text(plan)
        self._named_in_bytes = _by_bytes(plan)
        self._zone = plan.dns.zone
        self._vips = plan.vip_ipv4.packed, plan.vip_ipv6.packed
        self._device_of = {address: d.name for d in plan.devices for address in (d.ipv4, d.ipv6)}

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
        if port.role in ("openflow", "dns", "bgp"):
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
            return _transaction(request.body).device
        return self._named_in_text(request.start_line.encode() + b" " + request.body)

    def _dns(self, payload: bytes) -> _Content:
        """A message behind a resolver is about the device whose address is its client subnet, if it is one."""
        message = dns.parse(payload)
        if message is None:
            return _Content("not DNS", foreign=True)
        subnet = message.subnet
        single = subnet is not None and subnet.prefixlen == subnet.max_prefixlen
        device = self._device_of.get(subnet.network_address, "") if subnet is not None and single else ""
        return _Content(message.text, device, foreign=not f".{message.name}".endswith(f".{self._zone}"))


def _row(port: SignallingPort, sender: str, device: str) -> "partial[MessageSeen]":
    """What is to be completed to a row."""
    return partial(MessageSeen, role=port.role, rule_class="", device=device, sender=sender)


def _notice(payload: bytes) -> _Content:
    """A notice to a device, or its acknowledgement, by its kind (`meclab.messages.Notice`)."""
    try:
        return _Content(str(json.loads(payload)["kind"]))
    except (ValueError, KeyError, TypeError):
        kind = re.search(rb'"kind": ?"(\w+)"', payload)
        return _Content(kind.group(1).decode() if kind else "notice")


def _bfd(payload: bytes) -> _Content:
    return _Content(routing.bfd(payload))


def _class(port: SignallingPort, request: http.Message) -> str:
    """The class of the rules that a request brings; empty where it brings none."""
    if port.role == "northbound":
        return _transaction(request.body).rule_class
    attaches = port.role in ("orchestrator", "router") and request.target.endswith(_ATTACH_PATHS)
    return "attach" if attaches else ""


def _transaction(body: bytes) -> _Content:
    """What a transaction (`meclab.messages.Transaction`) is about; of one cut short only its class is told."""
    try:
        content: dict[str, Any] = json.loads(body)
        serve, attach = content.get("serve") or {}, content.get("attach") or {}
        breakouts = [*(content.get("breakout") or ()), *(content.get("remove_breakout") or ())]
        routed = {breakout["device"] for breakout in breakouts if breakout.get("device")}
    except (ValueError, KeyError, AttributeError, TypeError):
        return _Content("", "", "steer" if b'"serve"' in body else "attach" if b'"attach"' in body else "")
    devices = {*serve, *attach, *routed}
    rule_class = "steer" if serve or routed else "attach" if attach else "base" if breakouts else ""
    return _Content("", devices.pop() if len(devices) == 1 else "", rule_class)


def _by_text(plan: Plan) -> Find:
    """Finds the one device whose name or address is in a text."""
    short = {text.encode(): d.name for d in plan.devices for text in (d.name, str(d.ipv4))}
    long = {str(d.ipv6).encode(): d.name for d in plan.devices}
    return _only(
        short | long, rb"(?<![\w.:])(?:%s)(?!\w|\.\d)" % _any(short), rb"(?<![\w:])(?:%s)(?![\w:])" % _any(long)
    )


def _by_bytes(plan: Plan) -> Find:
    """Finds the one device whose address or MAC is in a message."""
    needles: dict[bytes, str] = {}
    for device in plan.devices:
        mac = bytes.fromhex(device.mac.replace(":", ""))
        needles |= dict.fromkeys((device.ipv4.packed, device.ipv6.packed, mac), device.name)
    return _only(needles, _any(needles))


def _any(needles: Iterable[bytes]) -> bytes:
    """A pattern for one of these, the longest first."""
    return b"|".join(re.escape(needle) for needle in sorted(needles, key=len, reverse=True))


def _only(needles: Mapping[bytes, str], *patterns: bytes) -> Find:
    pattern = re.compile(b"|".join(patterns))

    def find(message: bytes) -> str:
        devices = {needles[match] for match in pattern.findall(message)}
        return devices.pop() if len(devices) == 1 else ""

    return find
