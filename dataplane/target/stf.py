"""The simple test framework's language (STF): what P4 compilers' own tests are written in. One command a line:

| command | meaning |
|---|---|
| `add TABLE [PRIORITY] KEY:VALUE… ACTION(NAME:VALUE, …) [= HANDLE]` | an entry; the larger priority wins |
| `setdefault TABLE ACTION(…)` | the default action |
| `remove all`, `remove HANDLE`, `remove TABLE [PRIORITY] KEY:VALUE…` | entries away |
| `packet PORT HEX…` | a packet comes in |
| `expect PORT [HEX…[$]]` | a packet leaves: `*` any digit; with `$` nothing may follow; without digits any packets |
| `no_packet` | nothing leaves that is not expected (which is so anyway) |
| `wait` | nothing here: every packet is done before the next command |
| `mirroring_add SESSION PORT`, `mirroring_add_mc SESSION GROUP`, `mirroring_delete SESSION` | clone sessions |
| `mc_mgrp_create GROUP`, `mc_node_create RID PORT…`, `mc_node_associate GROUP NODE` | multicast; nodes count from 0 |
| `check_counter NAME[(INDEX)] [packets or bytes] == NUMBER` | also `!= < <= > >=`; direct: the table's name and key |
| `counter_read`, `register_read NAME INDEX [== NUMBER]` | reads, compares where wanted |
| `register_write NAME INDEX NUMBER`, `register_reset NAME` | sets registers |
| `meter_set_rates NAME INDEX RATE:BURST RATE:BURST` | committed and peak, per microsecond |

A value is decimal, `0x…`, `0b…` or `0o…`; with `*` digits it is ternary (a prefix where the key is lpm);
`VALUE/LENGTH` is a prefix, `VALUE&&&MASK` ternary, `LOW->HIGH` and `LOW..HIGH` a range. `#` and `//` start comments.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataplane.compiler.errors import CompileError, Position
from meclab.errors import InputError


@dataclass(frozen=True)
class Value:
    """What a key shall have."""

    value: int
    mask: int | None = None
    """None: all bits."""
    high: int | None = None
    """The end of a range."""
    length: int | None = None
    """Of a prefix, in bits."""


@dataclass(frozen=True)
class Command:
    """Anything on a line."""

    position: Position


@dataclass(frozen=True)
class Call:
    """An action with its arguments by name."""

    name: str
    arguments: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Add(Command):
    table: str
    priority: int | None
    keys: tuple[tuple[str, Value], ...]
    action: Call
    handle: str | None


@dataclass(frozen=True)
class SetDefault(Command):
    table: str
    action: Call


@dataclass(frozen=True)
class Remove(Command):
    """`table` none: the entry with the handle, or without one all entries."""

    handle: str | None = None
    table: str | None = None
    priority: int | None = None
    keys: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Packet(Command):
    port: int
    data: bytes


@dataclass(frozen=True)
class Expect(Command):
    """`digits` are hexadecimal or `*`; none: whatever leaves there."""

    port: int
    digits: str | None
    exact: bool

    def accepts(self, data: bytes) -> bool:
        """Whether a packet is as expected."""
        if self.digits is None:
            return True
        found = data.hex().upper()
        if len(found) < len(self.digits) or (self.exact and len(found) > len(self.digits)):
            return False
        return all(wanted in ("*", digit) for wanted, digit in zip(self.digits, found, strict=False))


@dataclass(frozen=True)
class Idle(Command):
    """`wait` and `no_packet`."""


@dataclass(frozen=True)
class Mirror(Command):
    """A clone session to a port or a multicast group; to neither: it is deleted."""

    session: int
    port: int | None = None
    group: int | None = None


@dataclass(frozen=True)
class CreateGroup(Command):
    group: int


@dataclass(frozen=True)
class CreateNode(Command):
    rid: int
    ports: tuple[int, ...]


@dataclass(frozen=True)
class Associate(Command):
    group: int
    node: int


@dataclass(frozen=True)
class Comparison:
    operator: str
    number: int

    def holds(self, value: int) -> bool:
        """Compares with what was read."""
        match self.operator:
            case "==":
                return value == self.number
            case "!=":
                return value != self.number
            case "<":
                return value < self.number
            case "<=":
                return value <= self.number
            case ">":
                return value > self.number
            case _:
                return value >= self.number

    def __str__(self) -> str:
        return f"{self.operator} {self.number}"


@dataclass(frozen=True)
class CheckCounter(Command):
    """Without an index `name` is a table's or a direct counter's; `handle` names the entry."""

    name: str
    index: int | None
    handle: str | None
    unit: str
    comparison: Comparison | None


@dataclass(frozen=True)
class ReadRegister(Command):
    name: str
    index: int
    comparison: Comparison | None


@dataclass(frozen=True)
class WriteRegister(Command):
    """Without an index all are set."""

    name: str
    index: int | None
    value: int


@dataclass(frozen=True)
class SetRates(Command):
    """Rates and bursts, committed and peak, of packets or bytes a second."""

    name: str
    index: int
    committed: tuple[int, int]
    peak: tuple[int, int]


def read(path: Path) -> tuple[Command, ...]:
    """The commands of a file."""
    try:
        return parse(path.read_text(), str(path))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected an STF test") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: found byte {error.start} that is no text; expected an STF test") from error


def parse(text: str, file: str) -> tuple[Command, ...]:
    """The commands of a text; raises `CompileError` at the first that is wrong."""
    commands: list[Command] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(#|//).*", "", line)
        if bare.strip():
            commands.append(_Line(bare, file, number).command())
    return tuple(commands)


_WORD = re.compile(r"\s*([^\s]+)")
_NAME = re.compile(r"\s*([A-Za-z_$][\w$]*(?:\[[0-9]+\])?(?:\.[\w$]+(?:\[[0-9]+\])?(?:\(\))?)*)")
_NUMBER = re.compile(r"\s*(-?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|[0-9]+))(?![\w*])")
_VALUE = re.compile(r"\s*(-?(?:0[xX][0-9a-fA-F*]+|0[bB][01*]+|0[oO][0-7*]+|[0-9]+(?![\w*])|\*))")
_OPERATOR = re.compile(r"\s*(==|!=|<=|>=|<|>)")
_DIGITS = {"0x": 4, "0b": 1, "0o": 3}


class _Line:
    """One line on its way to a command."""

    def __init__(self, text: str, file: str, number: int) -> None:
        self.text = text
        self.offset = 0
        self.file = file
        self.number = number

    def place(self) -> Position:
        rest = self.text[self.offset :]
        return Position(self.file, self.number, self.offset + len(rest) - len(rest.lstrip()) + 1)

    def error(self, expected: str) -> CompileError:
        rest = self.text[self.offset :].split()
        return CompileError(self.place(), f"found {rest[0] if rest else 'the end of the line'}, expected {expected}")

    def take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.offset)
        if found is None:
            return None
        self.offset = found.end()
        return found[1]

    def literal(self, text: str) -> bool:
        return self.take(re.compile(rf"\s*({re.escape(text)})")) is not None

    def demand(self, pattern: re.Pattern[str], expected: str) -> str:
        found = self.take(pattern)
        if found is None:
            raise self.error(expected)
        return found

    def name(self, expected: str) -> str:
        return self.demand(_NAME, expected)

    def integer(self, expected: str) -> int:
        return number(self.demand(_NUMBER, expected))

    def at_end(self) -> bool:
        return not self.text[self.offset :].strip()

    def finish(self) -> None:
        if not self.at_end():
            raise self.error("the end of the line")

    def command(self) -> Command:
        place = self.place()
        word = self.demand(_WORD, "a command").lower()
        rule = _COMMANDS.get(word)
        if rule is None:
            raise CompileError(place, f"found {word}, expected one of {', '.join(_COMMANDS)}")
        command = rule(self, place)
        self.finish()
        return command

    # ---- entries

    def add(self, place: Position) -> Command:
        table = self.name("a table's name")
        priority = self.take(_NUMBER)
        keys = self.keys()
        action = self.call()
        handle = self.name("a handle").removeprefix("$") if self.literal("=") else None
        return Add(place, table, None if priority is None else number(priority), keys, action, handle)

    def keys(self) -> tuple[tuple[str, Value], ...]:
        keys = []
        while not self.at_end():
            start = self.offset
            name = self.name("a key or an action")
            if not self.literal(":"):
                self.offset = start
                break
            keys.append((name, self.value()))
        return tuple(keys)

    def value(self) -> Value:
        text = self.demand(_VALUE, "a value")
        if self.literal("&&&"):
            return Value(number(text), number(self.demand(_NUMBER, "a mask")))
        if self.literal("->") or self.literal(".."):
            return Value(number(text), high=number(self.demand(_NUMBER, "the end of a range")))
        if self.literal("/"):
            return Value(number(text.replace("*", "0")), length=self.integer("a prefix length"))
        return wildcard(text)

    def call(self) -> Call:
        name = self.name("an action")
        if not self.literal("("):
            raise self.error('"(" behind the action')
        arguments = []
        while not self.literal(")"):
            label = self.name("the name of an argument")
            if not self.literal(":"):
                raise self.error('":"')
            arguments.append((label, self.integer("a number")))
            if not self.literal(",") and not re.match(r"\s*\)", self.text[self.offset :]):
                raise self.error('"," or ")"')
        return Call(name, tuple(arguments))

    def set_default(self, place: Position) -> Command:
        return SetDefault(place, self.name("a table's name"), self.call())

    def remove(self, place: Position) -> Command:
        if re.fullmatch(r"\s*all\s*", self.text[self.offset :], re.IGNORECASE):
            self.offset = len(self.text)
            return Remove(place)
        name = self.name("all, a handle, or a table's name with keys")
        if self.at_end():
            return Remove(place, handle=name.removeprefix("$"))
        priority = self.take(_NUMBER)
        return Remove(place, None, name, None if priority is None else number(priority), self.keys())

    # ---- packets

    def packet(self, place: Position) -> Command:
        port = self.integer("a port")
        start = self.place()
        digits = "".join(self.text[self.offset :].split())
        self.offset = len(self.text)
        if len(digits) % 2 or not re.fullmatch(r"[0-9a-fA-F]*", digits):
            raise CompileError(start, f"found {digits or 'nothing'}, expected bytes as pairs of hexadecimal digits")
        return Packet(place, port, bytes.fromhex(digits))

    def expect(self, place: Position) -> Command:
        port = self.integer("a port")
        start = self.place()
        digits = "".join(self.text[self.offset :].split()).upper()
        self.offset = len(self.text)
        exact = digits.endswith("$")
        digits = digits.removesuffix("$")
        if not re.fullmatch(r"[0-9A-F*]*", digits):
            raise CompileError(start, f"found {digits}, expected hexadecimal digits, * for any, $ for the end")
        return Expect(place, port, digits if digits or exact else None, exact)

    def idle(self, place: Position) -> Command:
        self.offset = len(self.text)
        return Idle(place)

    # ---- copies

    def mirror(self, place: Position) -> Command:
        return Mirror(place, self.integer("a session"), port=self.integer("a port"))

    def mirror_group(self, place: Position) -> Command:
        return Mirror(place, self.integer("a session"), group=self.integer("a multicast group"))

    def mirror_delete(self, place: Position) -> Command:
        return Mirror(place, self.integer("a session"))

    def create_group(self, place: Position) -> Command:
        return CreateGroup(place, self.integer("a multicast group"))

    def create_node(self, place: Position) -> Command:
        rid = self.integer("a replication id")
        ports = [self.integer("a port")]
        while not self.at_end():
            ports.append(self.integer("a port"))
        return CreateNode(place, rid, tuple(ports))

    def associate(self, place: Position) -> Command:
        return Associate(place, self.integer("a multicast group"), self.integer("a node's number"))

    # ---- counters, registers, meters

    def comparison(self) -> Comparison | None:
        operator = self.take(_OPERATOR)
        return None if operator is None else Comparison(operator, self.integer("a number"))

    def check_counter(self, place: Position) -> Command:
        name = self.name("a counter's name")
        index, handle = None, None
        if self.literal("("):
            found = self.take(_NUMBER)
            if found is None:
                handle = self.name("an index or a handle").removeprefix("$")
            else:
                index = number(found)
            if not self.literal(")"):
                raise self.error('")"')
        elif (found := self.take(_NUMBER)) is not None:
            index = number(found)
        unit = self.take(re.compile(r"\s*(packets|bytes)", re.IGNORECASE)) or "packets"
        return CheckCounter(place, name, index, handle, unit.lower(), self.comparison())

    def read_register(self, place: Position) -> Command:
        return ReadRegister(place, self.name("a register's name"), self.integer("an index"), self.comparison())

    def write_register(self, place: Position) -> Command:
        name = self.name("a register's name")
        return WriteRegister(place, name, self.integer("an index"), self.integer("a number"))

    def reset_register(self, place: Position) -> Command:
        return WriteRegister(place, self.name("a register's name"), None, 0)

    def set_rates(self, place: Position) -> Command:
        name = self.name("a meter's name")
        return SetRates(place, name, self.integer("an index"), self.rate(), self.rate())

    def rate(self) -> tuple[int, int]:
        expected = "RATE:BURST, the rate per microsecond"
        found = self.demand(re.compile(r"\s*([0-9.]+:[0-9]+)(?!\S)"), expected)
        rate, _, burst = found.partition(":")
        return round(float(rate) * 1_000_000), int(burst)


_COMMANDS: Mapping[str, Callable[[_Line, Position], Command]] = {
    "add": _Line.add,
    "setdefault": _Line.set_default,
    "remove": _Line.remove,
    "packet": _Line.packet,
    "expect": _Line.expect,
    "no_packet": _Line.idle,
    "wait": _Line.idle,
    "mirroring_add": _Line.mirror,
    "mirroring_add_mc": _Line.mirror_group,
    "mirroring_delete": _Line.mirror_delete,
    "mc_mgrp_create": _Line.create_group,
    "mc_node_create": _Line.create_node,
    "mc_node_associate": _Line.associate,
    "check_counter": _Line.check_counter,
    "counter_read": _Line.check_counter,
    "register_read": _Line.read_register,
    "register_write": _Line.write_register,
    "register_reset": _Line.reset_register,
    "meter_set_rates": _Line.set_rates,
}


def number(text: str) -> int:
    """A decimal number (leading zeros allowed), or one with a base."""
    return int(text, 10) if text.lstrip("-").isdigit() else int(text, 0)


def wildcard(text: str) -> Value:
    """A number whose `*` digits may be anything."""
    if "*" not in text:
        return Value(number(text))
    prefix = text[:2].lower()
    if prefix not in _DIGITS:
        return Value(0, 0)
    step = _DIGITS[prefix]
    value = mask = 0
    digits = text[2:]
    for digit in digits:
        known = digit != "*"
        value = (value << step) | (int(digit, 16) if known else 0)
        mask = (mask << step) | (((1 << step) - 1) if known else 0)
    known_digits = len(digits) - len(digits.lstrip("0123456789abcdefABCDEF"))
    return Value(value, mask, length=known_digits * step)
