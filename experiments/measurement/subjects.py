"""What a control message is about: the device named in it, the class of the rules that it brings."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meclab.plan import Plan

Find = Callable[[bytes], str]


@dataclass(frozen=True)
class Content:
    """What a message says of itself."""

    text: str
    device: str = ""
    rule_class: str = ""
    foreign: bool = False
    """Whether it is about nothing of the lab's, such as a name that some program looks up for itself."""


def transaction(body: bytes) -> Content:
    """What a transaction (`meclab.messages.Transaction`) is about; of one cut short only its class is told."""
    try:
        content: dict[str, Any] = json.loads(body)
        serve, attach = content.get("serve") or {}, content.get("attach") or {}
        breakouts = [*(content.get("breakout") or ()), *(content.get("remove_breakout") or ())]
        routed = {breakout["device"] for breakout in breakouts if breakout.get("device")}
    except (ValueError, KeyError, AttributeError, TypeError):
        return Content("", "", "steer" if b'"serve"' in body else "attach" if b'"attach"' in body else "")
    devices = {*serve, *attach, *routed}
    rule_class = "steer" if serve or routed else "attach" if attach else "base" if breakouts else ""
    return Content("", devices.pop() if len(devices) == 1 else "", rule_class)


def in_text(plan: Plan) -> Find:
    """Finds the one device whose name or address is in a text."""
    own = [(address, device.name) for device in plan.devices for address in device.owned]
    short = {device.name.encode(): device.name for device in plan.devices}
    short |= {str(address).encode(): name for address, name in own if address.version == 4}
    long = {str(address).encode(): name for address, name in own if address.version == 6}
    return _only(
        short | long, rb"(?<![\w.:])(?:%s)(?!\w|\.\d)" % _any(short), rb"(?<![\w:])(?:%s)(?![\w:])" % _any(long)
    )


def in_bytes(plan: Plan) -> Find:
    """Finds the one device whose address or MAC is in a message."""
    needles: dict[bytes, str] = {}
    for device in plan.devices:
        mac = bytes.fromhex(device.mac.replace(":", ""))
        needles |= dict.fromkeys((mac, *(address.packed for address in device.owned)), device.name)
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
