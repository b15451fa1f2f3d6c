"""Indirect counters, meters and registers (P4Runtime sections "CounterEntry", "MeterEntry", "RegisterEntry")."""

from collections.abc import Iterator
from typing import Any, Protocol

from finsy.proto import p4d, p4i, p4r

from dataplane.compiler.layout import CounterLayout, MeterLayout, RegisterLayout
from dataplane.target.bytestrings import Width, canonical
from dataplane.target.maps import Maps, number
from dataplane.target.refusal import Code, Refusal, invalid, unimplemented
from dataplane.target.resources import Counters, Meters


class Array(Protocol):
    """Entries by index, which are there from the start."""

    @property
    def id(self) -> int: ...

    def modify(self, message: Any) -> None:
        """Sets the entry with the message's index, without one all."""

    def read(self, message: Any) -> Iterator[p4r.Entity]:
        """The entry with the message's index, without one all."""


class _Indexed:
    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size

    def indices(self, message: Any) -> range:
        if not message.HasField("index"):
            return range(self._size)
        index = message.index.index
        if index < 0:
            raise invalid(f"{self._name}: found index {index}; expected 0 to {self._size - 1}")
        if index >= self._size:
            raise Refusal(
                Code.OUT_OF_RANGE, f"{self._name}: found index {index}; expected 0 to {self._size - 1}, for its size"
            )
        return range(index, index + 1)


class IndirectCounter(_Indexed):
    """A counter with an index."""

    def __init__(self, info: p4i.Counter, layout: CounterLayout, maps: Maps) -> None:
        super().__init__(info.preamble.alias, info.size)
        self.id = info.preamble.id
        self._counters = Counters(info.preamble.alias, maps[layout.map])

    def modify(self, message: p4r.CounterEntry) -> None:
        if message.HasField("data"):
            self._counters.value(message.data)
            for index in self.indices(message):
                self._counters.write(index, message.data)

    def read(self, message: p4r.CounterEntry) -> Iterator[p4r.Entity]:
        for index in self.indices(message):
            entry = p4r.CounterEntry(counter_id=self.id, index={"index": index}, data=self._counters.read(index))
            yield p4r.Entity(counter_entry=entry)


class IndirectMeter(_Indexed):
    """A meter with an index."""

    def __init__(self, info: p4i.Meter, layout: MeterLayout, maps: Maps) -> None:
        super().__init__(info.preamble.alias, info.size)
        self.id = info.preamble.id
        self._meters = Meters(info.preamble.alias, maps[layout.map])

    def modify(self, message: p4r.MeterEntry) -> None:
        refuse_colours(message, self._name)
        config = message.config if message.HasField("config") else None
        self._meters.value(config)
        for index in self.indices(message):
            self._meters.write(index, config)

    def read(self, message: p4r.MeterEntry) -> Iterator[p4r.Entity]:
        refuse_colours(message, self._name)
        for index in self.indices(message):
            entry = p4r.MeterEntry(meter_id=self.id, index={"index": index}, config=self._meters.read(index))
            yield p4r.Entity(meter_entry=entry)


class Register(_Indexed):
    """A register."""

    def __init__(self, info: p4i.Register, layout: RegisterLayout, maps: Maps) -> None:
        super().__init__(info.preamble.alias, info.size)
        self.id = info.preamble.id
        self._width = Width(layout.width, info.preamble.alias)
        self._value_size = layout.value_size
        self._map = maps[layout.map]

    def modify(self, message: p4r.RegisterEntry) -> None:
        kind = message.data.WhichOneof("data")
        if kind != "bitstring":
            raise invalid(f"{self._name}: found {kind or 'no data'}; expected a bitstring of {self._width.bits} bits")
        value = self._width.padded(message.data.bitstring)[::-1].ljust(self._value_size, b"\0")
        for index in self.indices(message):
            self._map.update(number(index), value)

    def read(self, message: p4r.RegisterEntry) -> Iterator[p4r.Entity]:
        for index in self.indices(message):
            value = (self._map.lookup(number(index)) or b"\0")[: self._value_size]
            kept = int.from_bytes(value, "little") & ((1 << self._width.bits) - 1)
            data = p4d.P4Data(bitstring=canonical(kept.to_bytes(self._width.size, "big")))
            yield p4r.Entity(register_entry=p4r.RegisterEntry(register_id=self.id, index={"index": index}, data=data))


def refuse_colours(message: Any, name: str) -> None:
    """Meters do not count their colours."""
    if message.HasField("counter_data"):
        raise unimplemented(f"{name}: found counter_data; colours are not counted here, expected none")
