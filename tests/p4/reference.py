"""An interpreter of the lowered form: what a compiled program must do, packet for packet.

It follows the reference software switch (simple_switch) where v1model is silent: what happens when ingress and egress
end, what clones, copies, resubmitted and recirculated packets carry.
"""

import random
from contextlib import suppress
from dataclasses import dataclass, field

from checksums import ALGORITHMS
from evaluation import Evaluator, HeaderValue, StackValue, bits, copied, fitted, packed, zero

from dataplane.compiler import lowered
from dataplane.compiler.lowered import Bits, Boolean, Header, MatchKind, Stack, Struct, width

DROP = 511
MAXIMUM_PASSES = 8
"""Of one packet, resubmitted and recirculated."""
NORMAL, INGRESS_CLONE, EGRESS_CLONE, RECIRCULATED, REPLICA, RESUBMITTED = 0, 1, 2, 4, 5, 6


class Rejected(Exception):
    """The parser ends with an error."""

    def __init__(self, name):
        super().__init__(name)
        self.name = name


class Returned(Exception):
    """A function, an action or a block ends."""


class Exited(Exception):
    """Ingress or egress ends."""


@dataclass
class Installed:
    """An entry of a table."""

    keys: tuple
    action: lowered.Action
    arguments: tuple
    priority: int
    packets: int = 0
    bytes: int = 0


@dataclass
class TableState:
    entries: list[Installed]
    default: tuple


@dataclass
class Session:
    """A clone session's or a multicast group's copies."""

    replicas: list[tuple[int, int]]
    """Port and replication id."""
    length: int = 0


@dataclass
class Pass:
    """A packet on its way through the switch once."""

    frame: bytes
    port: int
    state: dict
    evaluate: Evaluator
    offset: int = 0
    """Bits that the parser has read."""
    clone: tuple | None = None
    resubmit: tuple | None = None
    recirculate: tuple | None = None
    truncated: int | None = None
    digests: list = field(default_factory=list)
    emitted: list = field(default_factory=list)


class Reference:
    """A switch that runs a program."""

    def __init__(self, program: lowered.Program, seed: int = 1):
        self.program = program
        self.random = random.Random(seed)
        self.tables = {table.name: self._initial(table) for table in program.tables}
        self.registers = {register.name: [0] * register.size for register in program.registers}
        self.counters = {counter.name: [[0, 0] for _ in range(counter.size or 0)] for counter in program.counters}
        self.groups: dict[int, Session] = {}
        self.sessions: dict[int, Session] = {}
        self.digests: list[tuple[str, dict]] = []
        self.buckets: dict[tuple[str, int], list[int]] = {}
        """Tokens of configured indirect meters, committed and peak: no time passes here, so they are never refilled."""
        self.outputs: list[tuple[int, bytes]] = []

    # ---- what the control plane does

    def _initial(self, table):
        entries = [
            Installed(entry.keys, entry.call.action, entry.call.arguments, entry.priority) for entry in table.entries
        ]
        return TableState(entries, (table.default.action, table.default.arguments))

    def add(self, table, keys, action, arguments, priority=0):
        self.tables[table].entries.append(Installed(tuple(keys), self._action(action), tuple(arguments), priority))

    def set_default(self, table, action, arguments):
        self.tables[table].default = (self._action(action), tuple(arguments))

    def _action(self, name):
        return next(action for action in self.program.actions if action.name == name)

    # ---- packets

    def colour(self, meter, index, size):
        """Of a packet at an indirect meter (RFC 2698, colour-blind); green without configuration."""
        bucket = self.buckets.get((meter.name, index))
        if bucket is None:
            return 0
        cost = 1 if meter.unit == "packets" else size
        if bucket[1] < cost:
            return 2
        bucket[1] -= cost
        if bucket[0] < cost:
            return 1
        bucket[0] -= cost
        return 0

    def packet(self, port: int, frame: bytes) -> list[tuple[int, bytes]]:
        """All that leaves, as (port, bytes), in order."""
        self.outputs = []
        waiting = [(frame, {}, NORMAL)]
        passes = 0
        while waiting and passes < MAXIMUM_PASSES + 1:
            data, preserved, kind = waiting.pop(0)
            passes += 1
            waiting += self._ingress(port, data, preserved, kind)
        return self.outputs

    def _begin(self, port, frame, preserved, kind):
        state = {variable.name: zero(variable.type) for variable in self._variables()}
        run = Pass(frame, port, state, Evaluator(state))
        standard = state[self.program.standard.name]
        standard |= {"ingress_port": port, "packet_length": len(frame), "instance_type": kind}
        for place, value in preserved.items():
            run.evaluate.store(place, value)
        return run

    def _variables(self):
        program = self.program
        own = [parameter for action in program.actions for parameter in action.parameters]
        return [program.headers, program.metadata, program.standard, *program.variables, *own]

    def _parse(self, run):
        standard = run.state[self.program.standard.name]
        name = self.program.start
        try:
            while name not in ("accept", "reject"):
                state = self.program.states[name]
                self._block(state.statements, run)
                name = self._select(state.transition, run)
        except Rejected as error:
            standard["parser_error"] = self.program.errors.index(error.name)
        self._top(self.program.verify_checksum, run)

    def _select(self, select, run):
        values = [(run.evaluate.value(key), key.type) for key in select.keys]
        for case in select.cases:
            if all(
                wanted is None or matches(wanted, value, of)
                for wanted, (value, of) in zip(case.values, values, strict=True)
            ):
                return case.state
        raise Rejected("NoMatch")

    def _ingress(self, port, frame, preserved, kind):
        """Runs a pass; gives what enters again."""
        run = self._begin(port, frame, preserved, kind)
        standard = run.state[self.program.standard.name]
        self._parse(run)
        self._top(self.program.ingress, run)
        if run.clone:
            self._clone_from_ingress(run)
        self.digests += run.digests
        if run.resubmit is not None:
            return [(run.frame, run.resubmit, RESUBMITTED)]
        again = []
        if standard["mcast_grp"]:
            standard["instance_type"] = REPLICA
            for out, copy_id in self.groups.get(standard["mcast_grp"], Session([])).replicas:
                again += self._egress(self._copy(run), out, copy_id)
        elif standard["egress_spec"] != DROP:
            again += self._egress(run, standard["egress_spec"], None)
        return again

    def _copy(self, run):
        state = {name: copied(value) for name, value in run.state.items()}
        return Pass(run.frame, run.port, state, Evaluator(state), run.offset, truncated=run.truncated)

    def _clone_from_ingress(self, run):
        number, preserved = run.clone
        session = self.sessions.get(number)
        for out, copy_id in session.replicas if session else ():
            copy = self._begin(run.port, run.frame, {}, NORMAL)
            self._parse(copy)
            for place, value in preserved.items():
                copy.evaluate.store(place, value)
            copy.state[self.program.standard.name]["instance_type"] = INGRESS_CLONE
            copy.truncated = session.length or None
            self._egress(copy, out, copy_id)

    def _clone_from_egress(self, run):
        number, preserved = run.clone
        session = self.sessions.get(number)
        for out, copy_id in session.replicas if session else ():
            copy = self._begin(run.port, run.frame, {}, EGRESS_CLONE)
            copy.offset = run.offset
            copy.state[self.program.headers.name] = copied(run.state[self.program.headers.name])
            for place, value in preserved.items():
                copy.evaluate.store(place, value)
            copy.state[self.program.standard.name]["instance_type"] = EGRESS_CLONE
            copy.truncated = session.length or None
            self._egress(copy, out, copy_id)

    def _egress(self, run, out, copy_id):
        standard = run.state[self.program.standard.name]
        standard |= {"egress_port": out, "egress_spec": 0}
        if copy_id is not None:
            standard["egress_rid"] = copy_id
        run.clone = run.recirculate = None
        self._top(self.program.egress, run)
        if run.clone:
            self._clone_from_egress(run)
        if standard["egress_spec"] == DROP:
            return []
        self._top(self.program.compute_checksum, run)
        run.emitted = []
        self._top(self.program.deparser, run)
        frame = packed(run.emitted) + run.frame[run.offset // 8 :]
        if run.truncated is not None:
            frame = frame[: run.truncated]
        if run.recirculate is not None:
            return [(frame, run.recirculate, RECIRCULATED)]
        self.outputs.append((out, frame))
        return []

    # ---- statements

    def _top(self, block, run):
        with suppress(Returned, Exited):
            self._block(block, run)

    def _block(self, block, run):
        for statement in block:
            self._statement(statement, run)

    def _statement(self, statement, run):
        evaluate = run.evaluate
        match statement:
            case lowered.Assign(target, value, None):
                evaluate.store(target, evaluate.value(value))
            case lowered.Assign(target, value, (high, low)):
                mask = ((1 << (high - low + 1)) - 1) << low
                kept = bits(evaluate.place(target), target.type)[0] & ~mask
                put = (bits(evaluate.value(value), value.type)[0] << low) & mask
                evaluate.store(target, fitted(kept | put, target.type))
            case lowered.SetValidity(header, valid):
                evaluate.place(header).valid = valid
            case lowered.Push(stack, count):
                push(evaluate.place(stack), count, stack.type)
            case lowered.If(condition, then, otherwise):
                self._block(then if evaluate.value(condition) else otherwise, run)
            case lowered.Switch(value, cases, default):
                number = evaluate.value(value)
                self._block(next((inner for values, inner in cases if number in values), default), run)
            case lowered.Call(called):
                with suppress(Returned):
                    self._block(called.body, run)
            case lowered.Apply():
                self._apply(statement, run)
            case lowered.Return():
                raise Returned
            case lowered.Exit():
                raise Exited
            case lowered.Extract(target):
                self._extract(target, run)
            case lowered.Lookahead(target):
                of = target.type
                read = self._bits(run, width(of))
                evaluate.store(target, unpacked(read, of))
            case lowered.Advance(amount):
                number = evaluate.value(amount)
                self._bits(run, number)
                if number % 8:
                    raise Rejected("ParserInvalidArgument")
                run.offset += number
            case lowered.Verify(condition, error):
                if not evaluate.value(condition):
                    raise Rejected(self.program.errors[evaluate.value(error)])
            case lowered.Emit(place):
                run.emitted += emitted(evaluate.place(place), place.type)
            case _:
                self._extern(statement, run)

    def _bits(self, run, count):
        """The next bits of the packet."""
        total = len(run.frame) * 8
        if run.offset + count > total:
            raise Rejected("PacketTooShort")
        return (int.from_bytes(run.frame) >> (total - run.offset - count)) & ((1 << count) - 1)

    def _extract(self, target, run):
        of = target.type
        stack = None
        if isinstance(of, Stack):
            stack = run.evaluate.place(target)
            of = of.element
            if stack.next_index >= len(stack.elements):
                raise Rejected("StackOutOfBounds")
        header = unpacked(self._bits(run, of.width), of)
        if stack is None:
            run.evaluate.store(target, header)
        else:
            stack.elements[stack.next_index] = header
            stack.next_index += 1
        run.offset += of.width

    def _apply(self, statement, run):
        table = statement.table
        entry = self._lookup(table, run)
        if entry is None:
            action, arguments = self.tables[table.name].default
        else:
            action, arguments = entry.action, entry.arguments
            entry.packets += 1
            entry.bytes += len(run.frame)
        if statement.hit is not None:
            run.evaluate.store(statement.hit, int(entry is not None))
        if statement.action_run is not None:
            run.evaluate.store(statement.action_run, self.program.actions.index(action))
        if entry is not None and table.meter is not None and table.meter_target is not None:
            run.evaluate.store(table.meter_target, 0)
        wrapper = next(each for each in table.actions if each.action is action)
        self._block(wrapper.before, run)
        for parameter, value in zip(action.parameters, arguments, strict=True):
            run.state[parameter.name] = fitted(value, parameter.type)
        with suppress(Returned):
            self._block(action.body, run)
        self._block(wrapper.after, run)

    def _lookup(self, table, run):
        values = [(run.evaluate.value(key.expression), key.expression.type) for key in table.matched]
        found = [
            entry
            for entry in self.tables[table.name].entries
            if all(matches(key, *value) for key, value in zip(entry.keys, values, strict=True))
        ]
        if not table.keys or not found:
            return None
        if any(key.kind in (MatchKind.TERNARY, MatchKind.RANGE, MatchKind.OPTIONAL) for key in table.matched):
            return max(found, key=lambda entry: entry.priority)
        return max(found, key=lambda entry: sum(key.mask.bit_count() for key in entry.keys))

    # ---- externs

    def _data(self, expressions, run):
        """What is hashed: of invalid headers nothing."""
        parts = []
        for expression in expressions:
            value = run.evaluate.value(expression)
            if not (isinstance(value, HeaderValue) and not value.valid):
                parts.append(bits(value, expression.type))
        return packed(parts)

    def _extern(self, statement, run):
        evaluate = run.evaluate
        standard = run.state[self.program.standard.name]
        match statement:
            case lowered.Checksum(condition, data, algorithm, payload, expected, target):
                if not evaluate.value(condition):
                    return
                text = self._data(data, run) + (run.frame[run.offset // 8 :] if payload else b"")
                computed = ALGORITHMS[algorithm](text)
                if target is not None:
                    evaluate.store(target, fitted(computed, target.type))
                elif fitted(computed, expected.type) != evaluate.value(expected):
                    standard["checksum_error"] = 1
            case lowered.Hash(target, algorithm, base, data, maximum):
                most = evaluate.value(maximum)
                value = evaluate.value(base)
                if most:
                    value += ALGORITHMS[algorithm](self._data(data, run)) % most
                evaluate.store(target, fitted(value, target.type))
            case lowered.Random(target, low, high):
                least, most = evaluate.value(low), evaluate.value(high)
                evaluate.store(target, self.random.randint(least, most) if least <= most else least)
            case lowered.Count(counter, index):
                number = evaluate.value(index)
                if number < counter.size:
                    cell = self.counters[counter.name][number]
                    cell[0] += 1
                    cell[1] += len(run.frame)
            case lowered.DirectCount():
                pass
            case lowered.ExecuteMeter(meter, index, target):
                evaluate.store(target, self.colour(meter, evaluate.value(index), len(run.frame)))
            case lowered.ReadDirectMeter(_, target):
                evaluate.store(target, 0)
            case lowered.ReadRegister(target, register, index):
                cells = self.registers[register.name]
                number = evaluate.value(index)
                evaluate.store(target, cells[number] if number < len(cells) else 0)
            case lowered.WriteRegister(register, index, value):
                cells = self.registers[register.name]
                number = evaluate.value(index)
                if number < len(cells):
                    cells[number] = evaluate.value(value)
            case lowered.Digest(digest, data):
                run.digests.append((digest.name, evaluate.value(data)))
            case lowered.Clone(_, session, preserve):
                run.clone = (evaluate.value(session), preserved(preserve, run))
            case lowered.Resubmit(preserve):
                run.resubmit = preserved(preserve, run)
            case lowered.Recirculate(preserve):
                run.recirculate = preserved(preserve, run)
            case lowered.Truncate(length):
                run.truncated = evaluate.value(length)
            case lowered.MarkToDrop():
                standard["egress_spec"] = DROP
                standard["mcast_grp"] = 0
            case _:
                raise AssertionError(statement)


def preserved(places, run):
    return {place: copied(run.evaluate.place(place)) for place in places}


def matches(wanted, value, of):
    """Whether a key has what an entry or a case wants."""
    value = bits(value, of)[0]
    if wanted.high is not None:
        return wanted.value <= value <= wanted.high
    return value & wanted.mask == wanted.value & wanted.mask


def unpacked(value, of):
    """A value of a type from its bits."""
    match of:
        case Bits() | Boolean():
            return fitted(value, of)
        case Header() | Struct():
            members = {}
            left = width(of)
            for member in of.fields:
                left -= width(member.type)
                members[member.name] = unpacked((value >> left) & ((1 << width(member.type)) - 1), member.type)
            return HeaderValue(True, members) if isinstance(of, Header) else members
    raise AssertionError(of)


def emitted(value, of):
    match of:
        case Header():
            return [bits(value, of)] if value.valid else []
        case Stack(element, _):
            return [part for each in value.elements for part in emitted(each, element)]
        case Struct():
            return [part for member in of.fields for part in emitted(value[member.name], member.type)]
    raise AssertionError(of)


def push(stack: StackValue, count, of):
    size = len(stack.elements)
    fresh = [zero(of.element) for _ in range(min(abs(count), size))]
    if count > 0:
        stack.elements = [*fresh, *stack.elements][:size]
    else:
        stack.elements = [*stack.elements[-count:], *fresh]
    stack.next_index = max(0, min(size, stack.next_index + count))
