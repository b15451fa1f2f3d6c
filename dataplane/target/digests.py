"""Digests: what the program learned, told in lists (P4Runtime section "DigestEntry")."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from finsy.proto import p4d, p4i, p4r, p4t

from dataplane.compiler.layout import DigestLayout
from dataplane.target.bytestrings import canonical
from dataplane.target.refusal import invalid, missing, present
from dataplane.target.resources import Clock

Update = p4r.Update
LARGEST_LIST = 1024
"""Messages of a list where the controller sets no limit."""
LONGEST_BUFFER = 16 * LARGEST_LIST
"""Messages that wait for a list; what comes then is dropped and counted."""


@dataclass
class Learning:
    """One digest whose messages are told."""

    message: p4r.DigestEntry
    waiting: dict[bytes, int] = field(default_factory=dict)
    """Messages that no list has yet, with the time they came."""
    told: dict[int, tuple[int, frozenset[bytes]]] = field(default_factory=dict)
    """By list: when it was sent, and its messages; until it is acknowledged or has timed out."""


class Digests:
    """The digests of one program; `wall` gives nanoseconds since 1970 for the lists' timestamps."""

    def __init__(
        self, info: p4i.P4Info, layouts: tuple[DigestLayout, ...], clock: Clock, wall: Callable[[], int]
    ) -> None:
        ids = {digest.preamble.name: digest.preamble.id for digest in info.digests}
        self._names = {digest.preamble.id: digest.preamble.alias for digest in info.digests}
        self._layouts = {layout.number: (ids[layout.name], layout) for layout in layouts}
        self._specs = {digest.preamble.id: digest.type_spec for digest in info.digests}
        self._types = info.type_info
        self._by_id = dict(self._layouts.values())
        self._clock = clock
        self._wall = wall
        self._learning: dict[int, Learning] = {}
        self._following = 1
        self.dropped = 0

    # configuration

    def write(self, kind: int, message: p4r.DigestEntry) -> None:
        """Starts, changes or ends the telling of one digest."""
        identifier = message.digest_id
        name = self._names.get(identifier)
        if name is None:
            raise missing(f"found digest {identifier}; expected one of {self._known()}")
        there = self._learning.get(identifier)
        config = message.config
        if min(config.max_timeout_ns, config.max_list_size, config.ack_timeout_ns) < 0:
            raise invalid(f"{name}: found a negative number in its configuration; expected 0 or more")
        if kind == Update.INSERT and there:
            raise present(f"{name} is told already; expected MODIFY")
        if kind != Update.INSERT and not there:
            raise missing(f"{name} is not told; expected INSERT first")
        if kind == Update.DELETE:
            del self._learning[identifier]
            return
        copy = p4r.DigestEntry()
        copy.CopyFrom(message)
        if there:
            there.message = copy
        else:
            self._learning[identifier] = Learning(copy)

    def read(self, message: p4r.DigestEntry) -> Iterator[p4r.Entity]:
        if message.digest_id and message.digest_id not in self._names:
            raise missing(f"found digest {message.digest_id}; expected one of {self._known()}")
        for identifier, learning in self._learning.items():
            if message.digest_id in (0, identifier):
                yield p4r.Entity(digest_entry=learning.message)

    def _known(self) -> str:
        return ", ".join(f"{name} ({identifier})" for identifier, name in self._names.items()) or "none"

    # messages

    def receive(self, record: bytes) -> None:
        """A message of the program: `u32 number`, then the members."""
        identifier, _ = self._layouts[int.from_bytes(record[:4], "little")]
        learning = self._learning.get(identifier)
        if learning is None:
            return
        data = record[4:]
        if data in learning.waiting or any(data in messages for _, messages in learning.told.values()):
            return
        if len(learning.waiting) >= LONGEST_BUFFER:
            self.dropped += 1
            return
        learning.waiting[data] = self._clock()

    def lists(self) -> list[p4r.DigestList]:
        """The lists that are due: full, or their first message has waited long enough."""
        now = self._clock()
        due = []
        for identifier, learning in self._learning.items():
            config = learning.message.config
            learning.told = {
                number: (sent, messages)
                for number, (sent, messages) in learning.told.items()
                if now - sent < config.ack_timeout_ns
            }
            most = config.max_list_size or LARGEST_LIST
            while learning.waiting:
                first = next(iter(learning.waiting.values()))
                if len(learning.waiting) < most and now - first < config.max_timeout_ns:
                    break
                due.append(self._list(identifier, learning, most, now))
        return due

    def wait_ns(self) -> int | None:
        """How long until a list may be due; none where nothing waits."""
        now = self._clock()
        ends = [
            next(iter(learning.waiting.values())) + learning.message.config.max_timeout_ns
            for learning in self._learning.values()
            if learning.waiting
        ]
        return max(0, min(ends) - now) if ends else None

    def acknowledge(self, message: p4r.DigestListAck) -> bool:
        """Whether the list was one that waited for it."""
        learning = self._learning.get(message.digest_id)
        return learning is not None and learning.told.pop(message.list_id, None) is not None

    def _list(self, identifier: int, learning: Learning, most: int, now: int) -> p4r.DigestList:
        messages = list(learning.waiting)[:most]
        for data in messages:
            del learning.waiting[data]
        number = self._following
        self._following += 1
        if learning.message.config.ack_timeout_ns:
            learning.told[number] = (now, frozenset(messages))
        return p4r.DigestList(
            digest_id=identifier,
            list_id=number,
            data=[self._data(identifier, data) for data in messages],
            timestamp=self._wall(),
        )

    def _data(self, identifier: int, data: bytes) -> p4d.P4Data:
        members = self._by_id[identifier].members
        values = iter([data[member.offset : member.offset + member.size] for member in members])
        return self._value(self._specs[identifier], values)

    def _value(self, spec: p4t.P4DataTypeSpec, values: Iterator[bytes]) -> p4d.P4Data:
        """A value of a type, from the numbers that it consists of."""
        kind = spec.WhichOneof("type_spec")
        if kind == "struct":
            members = [
                self._value(member.type_spec, values) for member in self._types.structs[spec.struct.name].members
            ]
            return p4d.P4Data(struct=p4d.P4StructLike(members=members))
        if kind == "header":
            bits = [canonical(next(values)) for _ in self._types.headers[spec.header.name].members]
            return p4d.P4Data(header=p4d.P4Header(is_valid=True, bitstrings=bits))
        value = next(values)
        return p4d.P4Data(bool=any(value)) if kind == "bool" else p4d.P4Data(bitstring=canonical(value))
