"""The tables of a switch that runs a P4 program, read over P4Runtime: to be written down, and to be looked into.

A client that may only look: it takes no part in arbitration, and needs no program of its own, for it asks the switch
for its P4Info.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import grpc
from finsy.proto import p4i, p4r, p4r_grpc

from meclab.errors import RunError
from meclab.messages import RuleClass
from meclab.p4 import Endpoint

_ANSWER_S = 10.0
_NS = 1_000_000_000


@dataclass(frozen=True)
class Wanted:
    """What an entry wants of one key: its value where the mask has ones."""

    name: str
    value: int
    mask: int
    text: str

    def holds(self, value: int) -> bool:
        return value & self.mask == self.value & self.mask


@dataclass(frozen=True)
class Entry:
    """One entry, or a table's default action."""

    table: str
    wanted: tuple[Wanted, ...]
    """Nothing of keys that may be anything."""
    priority: int
    action: str
    arguments: Mapping[str, int]
    text: str
    """The action with its arguments, as people write it."""
    is_default: bool
    metadata: bytes
    packets: int
    bytes: int
    idle_s: float

    @property
    def match(self) -> str:
        return " ".join(f"{one.name}={one.text}" for one in self.wanted) or "anything"

    def __str__(self) -> str:
        kind = self.metadata[0] if self.metadata else 0
        said = [f" class={RuleClass(kind).name.lower()}"] if kind in set(RuleClass) else []
        said += [f" priority={self.priority}"] if self.priority else []
        said += [f" idle={self.idle_s:g}s"] if self.idle_s else []
        counted = "" if self.is_default else f" packets={self.packets} bytes={self.bytes}"
        match = "default" if self.is_default else self.match
        return f"{self.table}: {match} -> {self.text}{''.join(said)}{counted}"


class Tables:
    """The tables of one switch at one moment."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries: dict[str, list[Entry]] = {}
        for entry in entries:
            self._entries.setdefault(entry.table, []).append(entry)

    def hit(self, table: str, **values: int) -> Entry | None:
        """The entry that a packet with these keys hits: of the best priority, or with the longest prefix."""
        found = [e for e in self._entries.get(table, ()) if not e.is_default]
        hits = [e for e in found if all(one.holds(values[one.name]) for one in e.wanted)]
        return max(hits, key=lambda e: (e.priority, sum(one.mask.bit_count() for one in e.wanted)), default=None)

    def lookup(self, table: str, **values: int) -> Entry | None:
        """What a packet with these keys hits, else the table's default action; none where there is no such table."""
        default = (e for e in self._entries.get(table, ()) if e.is_default)
        return self.hit(table, **values) or next(default, None)

    def __iter__(self) -> Iterator[Entry]:
        return (entry for entries in self._entries.values() for entry in entries)


def read(switch: str, at: Endpoint) -> Tables:
    """Every table of a switch with its counters; raises `RunError` where the switch does not answer."""
    try:
        with grpc.insecure_channel(str(at)) as channel:
            stub = p4r_grpc.P4RuntimeStub(channel)
            asked = p4r.GetForwardingPipelineConfigRequest(
                device_id=at.device_id,
                response_type=p4r.GetForwardingPipelineConfigRequest.P4INFO_AND_COOKIE,
            )
            info = stub.GetForwardingPipelineConfig(asked, timeout=_ANSWER_S).config.p4info
            request = p4r.ReadRequest(device_id=at.device_id, entities=_everything(info))
            answers = list(stub.Read(request, timeout=_ANSWER_S))
    except grpc.RpcError as error:
        raise RunError(f"{switch} at {at} does not answer: {_reason(error)}") from error
    reader = _Reader(info)
    return Tables(reader.entry(entity.table_entry) for answer in answers for entity in answer.entities)


def _reason(error: grpc.RpcError) -> str:
    details = getattr(error, "details", None)
    return str(details()) if callable(details) else str(error)


def _everything(info: p4i.P4Info) -> list[p4r.Entity]:
    """All entries table by table, each with its counter where there is one, and all default actions."""
    counted = {counter.direct_table_id for counter in info.direct_counters}
    found = []
    for table in info.tables:
        number = table.preamble.id
        entry = p4r.TableEntry(table_id=number)
        if number in counted:
            entry.counter_data.SetInParent()
        found.append(p4r.Entity(table_entry=entry))
        found.append(p4r.Entity(table_entry=p4r.TableEntry(table_id=number, is_default_action=True)))
    return found


class _Reader:
    """Numbers of P4Runtime to names of the program."""

    def __init__(self, info: p4i.P4Info) -> None:
        self._tables = {table.preamble.id: table for table in info.tables}
        self._actions = {action.preamble.id: action for action in info.actions}

    def entry(self, found: Any) -> Entry:
        table = self._tables[found.table_id]
        fields = {field.id: field for field in table.match_fields}
        action = self._actions.get(found.action.action.action_id)
        parameters = {parameter.id: parameter for parameter in action.params} if action else {}
        given = [(parameters[p.param_id], int.from_bytes(p.value)) for p in found.action.action.params]
        text = ", ".join(f"{parameter.name}={_shown(value, parameter.bitwidth)}" for parameter, value in given)
        name = action.preamble.alias if action else "NoAction"
        return Entry(
            table=table.preamble.alias,
            wanted=tuple(_wanted(fields[match.field_id], match) for match in found.match),
            priority=found.priority,
            action=name,
            arguments={parameter.name: value for parameter, value in given},
            text=f"{name}({text})",
            is_default=found.is_default_action,
            metadata=found.metadata,
            packets=found.counter_data.packet_count,
            bytes=found.counter_data.byte_count,
            idle_s=found.idle_timeout_ns / _NS,
        )


def _wanted(field: Any, match: Any) -> Wanted:
    ones = (1 << field.bitwidth) - 1
    kind = match.WhichOneof("field_match_type")
    given = getattr(match, kind)
    value, mask, suffix = int.from_bytes(given.value), ones, ""
    if kind == "lpm":
        mask = ones ^ (ones >> given.prefix_len)
        suffix = f"/{given.prefix_len}"
    elif kind == "ternary":
        mask = int.from_bytes(given.mask)
        length = mask.bit_count()
        leading = mask == ones ^ (ones >> length)
        suffix = f"/{length}" if leading else f"&{_shown(mask, field.bitwidth)}"
    return Wanted(field.name, value, mask, _shown(value, field.bitwidth) + suffix)


def _shown(value: int, bits: int) -> str:
    """A number as people write it: an address by its width."""
    match bits:
        case 32:
            return str(IPv4Address(value))
        case 48:
            return value.to_bytes(6).hex(":")
        case 128:
            return str(IPv6Address(value))
    return str(value)
