"""How a program's tables and externs lie in BPF maps: the contract between its C and the switch that fills them.

The object has one map each, named as here (15 characters at most). Integers are as the machine has them (little-endian)
unless said otherwise.

- Keys are big-endian: each field takes `ceil(width / 8)` bytes, right-aligned, one after the other without padding.
- An action is a record: `u32 action` (index in `Program.actions`), `u32 index` (the entry's own number, of its direct
  counter, meter and time of last hit; `NO_INDEX` for the default action), then the action's parameters at their
  offsets, as integers of 1, 2, 4, 8 or 16 bytes.
- Where a table has an action profile, the record is `u32 kind` (`MEMBER`, `GROUP`), `u32 index`, `u32 id` instead, and
  the member's record is in the profile's map.

| table kind | map | key | value |
|---|---|---|---|
| exact | hash | key | record |
| lpm | LPM trie | `u32 prefix length`, then key | record |
| ternary | `masks`: array, best first | - | `u32 best priority`, `u32 mask number`, mask as a key |
|  | `entries`: hash | `u32 mask number`, key AND mask | `u32 priority`, record |

In an lpm key the lpm field is the last, whatever its place in the table; the prefix length counts the bits of all
fields before it, and its own leading pad bits, too.

Ternary is any table with a ternary, range or optional key, lpm beside those included, or with several lpm keys. A
lookup goes through `masks` in order; priority 0 ends it, and it ends where no better priority can come.

Ranges are expanded into prefixes by the switch: several entries then share record and index.

Every table has a `default`: array of one record.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

NO_INDEX = 0xFFFFFFFF
MEMBER, GROUP = 0, 1
RECORD_HEADER = 8
"""Bytes of `action` and `index` before the parameters."""

REFERENCE_SIZE = 12
"""Bytes of `kind`, `index` and `id` of a table with an action profile; its default action is a record of its own."""

MAXIMUM_MASKS = 256
"""Distinct masks of one ternary table."""
MAXIMUM_GROUP = 256
"""Members of one action selector group."""
MAXIMUM_REPLICAS = 256
"""Copies of one multicast group."""


@dataclass(frozen=True)
class KeyField:
    """One key field; `offset` in bytes within the key (after a trie's prefix length or a mask number)."""

    name: str
    width: int
    offset: int

    @property
    def size(self) -> int:
        return (self.width + 7) // 8


@dataclass(frozen=True)
class Parameter:
    """One action parameter; `offset` in bytes within the record, `size` 1, 2, 4, 8 or 16."""

    name: str
    width: int
    offset: int
    size: int


@dataclass(frozen=True)
class ActionLayout:
    """An action's number and parameters."""

    name: str
    number: int
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class TableLayout:
    """One table; `key_size` without prefix length and mask number, `record_size` the largest action's, in bytes."""

    name: str
    kind: Literal["exact", "lpm", "ternary"]
    key: tuple[KeyField, ...]
    """In the order of the table's matched keys; offsets say where they lie."""
    key_size: int
    record_size: int
    size: int
    entries: str
    default: str
    masks: str | None
    counter: str | None
    """Array by entry index: `u64 packets`, `u64 bytes`."""
    meter: str | None
    last_hit: str | None
    """Array by entry index: `u64` nanoseconds of CLOCK_MONOTONIC, 0 for never; where the table supports timeouts."""
    profile: str | None
    """Name of the profile in the program."""


@dataclass(frozen=True)
class ProfileLayout:
    """`members`: hash of `u32 id` to record (index is `NO_INDEX`); `groups`: hash of `u32 id` to `u32 count`, then
    `u32 member id` times `MAXIMUM_GROUP`; a member's weight is how often it is named."""

    name: str
    members: str
    groups: str
    record_size: int


@dataclass(frozen=True)
class CounterLayout:
    """Array: `u64 packets`, `u64 bytes`."""

    name: str
    map: str
    size: int


@dataclass(frozen=True)
class MeterLayout:
    """Array of `METER`: written by the switch, tokens and times by the program.

    `u64 committed rate`, `u64 committed burst`, `u64 peak rate`, `u64 peak burst` (packets or bytes, rates a second;
    all zero: always green), `u64 committed tokens`, `u64 peak tokens` (in billionths), `u64 last` (ns, 0 at first:
    buckets are full), `u32 lock`, `u32 zero`.
    """

    name: str
    map: str
    size: int


METER_SIZE = 64


@dataclass(frozen=True)
class RegisterLayout:
    """Array of integers of 1, 2, 4, 8 or 16 bytes."""

    name: str
    map: str
    size: int
    width: int
    value_size: int


@dataclass(frozen=True)
class DigestLayout:
    """Records in the ring buffer `digests`: `u32 number`, then the struct's members, each big-endian in
    `ceil(width / 8)` bytes."""

    name: str
    number: int
    members: tuple[KeyField, ...]


@dataclass(frozen=True)
class Layout:
    """Everything of a program; maps that every program has are in the constants below."""

    actions: tuple[ActionLayout, ...]
    tables: tuple[TableLayout, ...]
    profiles: tuple[ProfileLayout, ...]
    counters: tuple[CounterLayout, ...]
    meters: tuple[MeterLayout, ...]
    registers: tuple[RegisterLayout, ...]
    digests: tuple[DigestLayout, ...]


PORTS = "ports"
"""Array by port of `u32 interface index`, 0 for none: where packets leave."""
PORT_COUNT = 512
PORT_NUMBERS = "port_numbers"
"""Hash of `u32 interface index` to `u32 port`: where packets come in."""
MULTICAST = "multicast"
"""Hash of `u32 group` to `u32 count`, then (`u32 port`, `u32 replication id`) times `MAXIMUM_REPLICAS`."""
CLONES = "clones"
"""Hash of `u32 session` to the same value as `MULTICAST`, with `u32 length` (0: whole packets) before `count`."""
DIGESTS = "digests"
"""Ring buffer, where a program has digests."""
OUTPUTS = "outputs"
"""Ring buffer of what leaves while packets are tested (`testing` is set) instead of leaving: `u32 port`, `u32 length`,
then the packet (`MAXIMUM_PACKET` bytes are reserved)."""
DROPS = "drops"
"""Array by `Drop` of `u64` packets."""


class Drop(IntEnum):
    """Why a packet (or a copy of it) does not leave; the last ones only count what passes."""

    PROGRAM = 0
    """The program marked it, or its multicast group or clone session has no ports."""
    UNKNOWN_INTERFACE = 1
    """It came in by an interface that is no port."""
    NO_PORT = 2
    """The port it is to leave by has no interface."""
    TOO_SHORT = 3
    """It would leave with less than an Ethernet header."""
    TOO_LONG = 4
    """It cannot grow so far, or be copied."""
    TOO_OFTEN = 5
    """It was resubmitted, recirculated or copied beyond the bound."""
    OFFLOADED = 6
    """Superpackets that came in (they pass)."""


MAXIMUM_PACKET = 2048
