"""What belongs to each entry of a table: counter, meter, time of last hit (P4Runtime section "Direct Resources")."""

from typing import Any

from finsy.proto import p4r

from dataplane.compiler.layout import TableLayout
from dataplane.target.maps import Maps
from dataplane.target.refusal import invalid, unimplemented
from dataplane.target.resources import Clock, Counters, Hits, Meters


class Directs:
    """The arrays of one table, each by the entry's own number, and none where the table has no such thing."""

    def __init__(self, name: str, layout: TableLayout, maps: Maps, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self.counters = Counters(f"{name}'s counter", maps[layout.counter]) if layout.counter else None
        self.meters = Meters(f"{name}'s meter", maps[layout.meter]) if layout.meter else None
        self.hits = Hits(maps[layout.last_hit]) if layout.last_hit else None

    def check(self, message: p4r.TableEntry) -> None:
        """Refuses an update that asks for what the table has not, before anything changes."""
        if message.HasField("meter_counter_data"):
            raise unimplemented(f"{self._name}: found meter_counter_data; colours are not counted here, expected none")
        if message.HasField("counter_data"):
            if self.counters is None:
                raise invalid(f"{self._name}: found counter_data; expected none, for the table has no direct counter")
            self.counters.value(message.counter_data)
        if message.HasField("meter_config"):
            if self.meters is None:
                raise invalid(f"{self._name}: found meter_config; expected none, for the table has no direct meter")
            self.meters.value(message.meter_config)
        if message.idle_timeout_ns and self.hits is None:
            raise invalid(f"{self._name}: found an idle timeout; expected none, for the table does not support it")
        if message.idle_timeout_ns < 0:
            raise invalid(f"{self._name}: found idle timeout {message.idle_timeout_ns}; expected 0 or more nanoseconds")

    def start(self, index: int, message: p4r.TableEntry) -> None:
        """Of an entry that comes: what it brings, or zero."""
        if self.counters and message.HasField("counter_data"):
            self.counters.write(index, message.counter_data)
        elif self.counters:
            self.counters.clear(index)
        if self.hits:
            self.hits.clear(index)
        self._configure(index, message)

    def change(self, index: int, message: p4r.TableEntry) -> None:
        """Of an entry that is modified: counts stay unless they are given, a meter is reset unless it is given."""
        if self.counters and message.HasField("counter_data"):
            self.counters.write(index, message.counter_data)
        self._configure(index, message)

    def show(self, shown: p4r.TableEntry, request: p4r.TableEntry, index: int, idle_since_ns: int) -> None:
        """Adds what a read asks for."""
        if request.HasField("counter_data") and self.counters:
            shown.counter_data.CopyFrom(self.counters.read(index))
        if request.HasField("meter_config") and self.meters:
            config = self.meters.read(index)
            if config:
                shown.meter_config.CopyFrom(config)
        if request.HasField("time_since_last_hit") and self.hits:
            last = self.hits.last(index) or idle_since_ns
            shown.time_since_last_hit.elapsed_ns = max(0, self._clock() - last)

    def idle_ns(self, index: int, idle_since_ns: int) -> int:
        """How long an entry has not been hit, at most since `idle_since_ns`."""
        last = self.hits.last(index) if self.hits else 0
        return max(0, self._clock() - max(idle_since_ns, last))

    def _configure(self, index: int, message: Any) -> None:
        if self.meters:
            self.meters.write(index, message.meter_config if message.HasField("meter_config") else None)
