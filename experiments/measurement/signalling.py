"""Control messages as captured at the operations host, classified by the plan's table of ports."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from experiments.measurement import http, openflow
from experiments.measurement.frames import Frames
from experiments.measurement.streams import Conversation, Stream, conversations, segments
from experiments.pcapng import Capture
from meclab.observations import MessageSeen
from meclab.plan import Plan, SignallingPort

_OWN_CLASSES = ("steer", "pin")


def signalling(plan: Plan, capture: Capture, decoded: Frames) -> list[MessageSeen]:
    """Every control message in the operations host's capture, in order of time."""
    device_in = _finder(plan)
    found: list[MessageSeen] = []
    for port in plan.signalling:
        for conversation in conversations(segments(capture, decoded, port.port), port.port):
            if port.role == "openflow":
                for stream in (conversation.to_port, conversation.from_port):
                    found += _openflow(port, stream, device_in)
            else:
                found += _http(port, conversation)
    return sorted(found, key=lambda message: message.at_ns)


def _openflow(port: SignallingPort, stream: Stream, device_in: Callable[[bytes], str]) -> Iterator[MessageSeen]:
    data = bytes(stream.data)
    for message in openflow.messages(data):
        own = port.own and message.rule_class in _OWN_CLASSES
        yield MessageSeen(
            at_ns=stream.passed_ns(message.end - 1),
            role=port.role,
            message=message.name,
            rule_class=message.rule_class,
            size_bytes=message.end - message.begin,
            own=own,
            device=device_in(data[message.begin : message.end]) if message.rule_class else "",
        )


def _http(port: SignallingPort, conversation: Conversation) -> Iterator[MessageSeen]:
    """Requests with their responses: a response is about what its request was about."""
    answers = list(http.messages(bytes(conversation.from_port.data)))
    for number, request in enumerate(http.messages(bytes(conversation.to_port.data))):
        rule_class, device = _about(request.body)
        own = port.own and (port.role != "northbound" or rule_class in _OWN_CLASSES)
        method_and_path = request.start_line.rsplit(" ", 1)[0]
        pair = [(conversation.to_port, request, method_and_path)]
        if number < len(answers):
            status = answers[number].start_line.split(" ")[1:2]
            pair.append((conversation.from_port, answers[number], " ".join(status)))
        for stream, message, text in pair:
            size_bytes = message.end - message.begin
            at_ns = stream.passed_ns(message.end - 1)
            yield MessageSeen(at_ns, port.role, text, rule_class, size_bytes, own, device)


def _about(body: bytes) -> tuple[str, str]:
    """(class, device) of a transaction or an attach event; empty where the body is about neither."""
    try:
        content: Mapping[str, Any] = json.loads(body)
        serve, attach = content.get("serve") or {}, content.get("attach") or {}
        devices = {*serve, *attach} or {content["device"]}
    except (ValueError, KeyError, AttributeError, TypeError):
        return "", ""
    return "steer" if serve else "attach", devices.pop() if len(devices) == 1 else ""


def _finder(plan: Plan) -> Callable[[bytes], str]:
    """Finds the one device whose address or MAC is in a message."""
    needles: dict[bytes, str] = {}
    for device in plan.devices:
        mac = bytes.fromhex(device.mac.replace(":", ""))
        needles |= dict.fromkeys((device.ipv4.packed, device.ipv6.packed, mac), device.name)
    pattern = re.compile(b"|".join(re.escape(needle) for needle in sorted(needles, key=len, reverse=True)))

    def find(message: bytes) -> str:
        devices = {needles[match] for match in pattern.findall(message)}
        return devices.pop() if len(devices) == 1 else ""

    return find
