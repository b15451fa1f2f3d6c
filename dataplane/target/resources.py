"""Counters, meters, times of last hits and registers: arrays that the program writes and the switch reads."""

import struct
from collections.abc import Callable

from finsy.proto import p4r

from dataplane.compiler.layout import METER_SIZE
from dataplane.target.maps import Map, number
from dataplane.target.refusal import invalid

COUNTER = struct.Struct("<QQ")
"""Packets, bytes."""
METER = struct.Struct("<QQQQQQQII")
"""Committed rate and burst, peak rate and burst, tokens of both, time of the last packet, lock, zero."""
TIME = struct.Struct("<Q")
NO_COUNTS = bytes(COUNTER.size)
GREEN = bytes(METER_SIZE)
"""A meter that is not configured."""
LARGEST = (1 << 63) - 1
Clock = Callable[[], int]
"""Nanoseconds of CLOCK_MONOTONIC, as the program has them."""


class Counters:
    """An array of counters."""

    def __init__(self, name: str, counters: Map) -> None:
        self._name = name
        self._map = counters

    def read(self, index: int) -> p4r.CounterData:
        value = self._map.lookup(number(index)) or NO_COUNTS
        packets, octets = COUNTER.unpack(value[: COUNTER.size])
        return p4r.CounterData(packet_count=packets & LARGEST, byte_count=octets & LARGEST)

    def write(self, index: int, data: p4r.CounterData) -> None:
        self._map.update(number(index), self.value(data))

    def clear(self, index: int) -> None:
        self._map.update(number(index), NO_COUNTS)

    def value(self, data: p4r.CounterData) -> bytes:
        """As it lies in the map; refuses what cannot be."""
        if data.packet_count < 0 or data.byte_count < 0:
            raise invalid(
                f"{self._name}: found {data.packet_count} packets, {data.byte_count} bytes; expected 0 or more"
            )
        return COUNTER.pack(data.packet_count, data.byte_count)


class Meters:
    """An array of two-rate three-colour meters."""

    def __init__(self, name: str, meters: Map) -> None:
        self._name = name
        self._map = meters

    def read(self, index: int) -> p4r.MeterConfig | None:
        """The configuration, none where it is the default."""
        value = self._map.lookup(number(index)) or GREEN
        committed, committed_burst, peak, peak_burst = METER.unpack(value[:METER_SIZE])[:4]
        if not any((committed, committed_burst, peak, peak_burst)):
            return None
        return p4r.MeterConfig(cir=committed, cburst=committed_burst, pir=peak, pburst=peak_burst)

    def write(self, index: int, config: p4r.MeterConfig | None) -> None:
        """Configures one; buckets are full at first."""
        self._map.update(number(index), self.value(config))

    def value(self, config: p4r.MeterConfig | None) -> bytes:
        if config is None:
            return GREEN
        rates = (config.cir, config.cburst, config.pir, config.pburst)
        text = "cir {}, cburst {}, pir {}, pburst {}".format(*rates)
        if min(rates) < 0 or config.pir < config.cir:
            raise invalid(f"{self._name}: found {text}; expected numbers of 0 or more, and pir not below cir")
        if not config.pburst:
            raise invalid(f"{self._name}: found {text}; expected a peak burst above 0, or every packet would be red")
        return METER.pack(*rates, 0, 0, 0, 0, 0)


class Hits:
    """When each entry was hit last."""

    def __init__(self, hits: Map) -> None:
        self._map = hits

    def clear(self, index: int) -> None:
        self._map.update(number(index), bytes(TIME.size))

    def last(self, index: int) -> int:
        """Nanoseconds of CLOCK_MONOTONIC, 0 for never."""
        value = self._map.lookup(number(index))
        return int(TIME.unpack(value[: TIME.size])[0]) if value else 0
