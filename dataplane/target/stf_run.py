"""Runs an STF test on a switch: entries by P4Runtime, packets in, and what leaves compared with what is expected."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from finsy.proto import p4d, p4i, p4r

from dataplane.compiler.errors import CompileError, Position
from dataplane.target import stf
from dataplane.target.refusal import Refusal
from dataplane.target.stf_names import Schema, encoded

Update = p4r.Update
LISTED_PACKETS = 20
"""Of a port, in the message of a failure."""


class Switch(Protocol):
    """What runs the program: a kernel, or a reference."""

    @property
    def info(self) -> p4i.P4Info: ...

    def write(self, update: p4r.Update) -> None:
        """Raises `Refusal`."""

    def read(self, entity: p4r.Entity) -> Iterable[p4r.Entity]: ...

    def packet(self, port: int, data: bytes) -> Sequence[tuple[int, bytes]]:
        """What leaves because of a packet that comes in, as (port, bytes), in order."""


@dataclass(frozen=True)
class Failure:
    """An expectation that did not hold."""

    position: Position
    message: str

    def __str__(self) -> str:
        return f"{self.position}: {self.message}"


def run(switch: Switch, commands: Iterable[stf.Command]) -> list[Failure]:
    """Runs a test; raises `CompileError` where it asks for what the program does not have."""
    test = _Test(switch)
    for command in commands:
        test.do(command)
    return test.failures + test.compare()


class _Test:
    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.schema = Schema(switch.info)
        self.failures: list[Failure] = []
        self.left: dict[int, list[bytes]] = defaultdict(list)
        self.expected: dict[int, list[stf.Expect]] = defaultdict(list)
        self.ports: dict[int, Position] = {}
        """Ports that the test names, and where it does first: what leaves elsewhere is nobody's concern."""
        self.handles: dict[str, p4r.TableEntry] = {}
        self.nodes: list[stf.CreateNode] = []
        self.groups: dict[int, list[int]] = {}
        self.mirrors: dict[int, stf.Mirror] = {}
        self.written: set[tuple[str, int]] = set()
        """Multicast groups and clone sessions that are there."""

    def do(self, command: stf.Command) -> None:
        try:
            self._do(command)
        except Refusal as refusal:
            raise CompileError(command.position, str(refusal)) from refusal

    def _do(self, command: stf.Command) -> None:
        match command:
            case stf.Add():
                self._add(command)
            case stf.SetDefault(position, name, call):
                table = self.schema.table(name, position)
                entry = p4r.TableEntry(table_id=table.preamble.id, is_default_action=True)
                entry.action.action.CopyFrom(self.schema.action(table, call, position))
                self._write(Update.MODIFY, p4r.Entity(table_entry=entry))
            case stf.Remove():
                self._remove(command)
            case stf.Packet(position, port, data):
                self.ports.setdefault(port, position)
                for out, frame in self.switch.packet(port, data):
                    self.left[out].append(frame)
            case stf.Expect(position, port):
                self.ports.setdefault(port, position)
                self.expected[port].append(command)
            case stf.Mirror() | stf.CreateGroup() | stf.CreateNode() | stf.Associate():
                self._replicate(command)
            case stf.CheckCounter():
                self._check_counter(command)
            case stf.ReadRegister() | stf.WriteRegister():
                self._register(command)
            case stf.SetRates():
                self._set_rates(command)

    def _write(self, kind: int, entity: p4r.Entity) -> None:
        self.switch.write(p4r.Update(type=kind, entity=entity))

    # ---- entries

    def _add(self, command: stf.Add) -> None:
        table = self.schema.table(command.table, command.position)
        entry = self.schema.entry(table, command.keys, command.priority, command.position)
        entry.action.action.CopyFrom(self.schema.action(table, command.action, command.position))
        self._write(Update.INSERT, p4r.Entity(table_entry=entry))
        if command.handle:
            self.handles[command.handle] = entry

    def _remove(self, command: stf.Remove) -> None:
        if command.table is not None:
            table = self.schema.table(command.table, command.position)
            entry = self.schema.entry(table, command.keys, command.priority, command.position)
            self._write(Update.DELETE, p4r.Entity(table_entry=entry))
        elif command.handle is not None:
            entry = self._entry(command.handle, command.position)
            self._write(Update.DELETE, p4r.Entity(table_entry=entry))
            del self.handles[command.handle]
        else:
            every = p4r.Entity(table_entry=p4r.TableEntry())
            constant = {table.preamble.id for table in self.switch.info.tables if table.is_const_table}
            for entity in list(self.switch.read(every)):
                found = entity.table_entry
                if not found.is_default_action and found.table_id not in constant:
                    self._write(Update.DELETE, entity)

    def _entry(self, handle: str, position: Position) -> p4r.TableEntry:
        if handle not in self.handles:
            known = ", ".join(self.handles) or "a handle of an add before"
            raise CompileError(position, f"found handle {handle}, expected {known}")
        return self.handles[handle]

    # ---- copies

    def _replicate(self, command: stf.Command) -> None:
        match command:
            case stf.CreateGroup(_, group):
                self.groups[group] = []
            case stf.CreateNode():
                self.nodes.append(command)
            case stf.Associate(position, group, node):
                if group not in self.groups or node >= len(self.nodes):
                    what = f"group {group}" if group not in self.groups else f"node {node}"
                    raise CompileError(position, f"found {what}, expected one that was created before")
                self.groups[group].append(node)
                self._write_group(group)
            case stf.Mirror(_, session, port, group):
                self.mirrors[session] = command
                if port is None and group is None:
                    del self.mirrors[session]
                    self._write_replicas("session", session, [], Update.DELETE)
                else:
                    self._write_session(session)

    def _replicas(self, group: int) -> list[p4r.Replica]:
        nodes = [self.nodes[number] for number in self.groups.get(group, [])]
        return [p4r.Replica(egress_port=port, instance=node.rid) for node in nodes for port in node.ports]

    def _write_group(self, group: int) -> None:
        self._write_replicas("group", group, self._replicas(group))
        for session, mirror in self.mirrors.items():
            if mirror.group == group:
                self._write_session(session)

    def _write_session(self, session: int) -> None:
        mirror = self.mirrors[session]
        if mirror.port is not None:
            replicas = [p4r.Replica(egress_port=mirror.port)]
        else:
            replicas = self._replicas(mirror.group or 0)
        self._write_replicas("session", session, replicas)

    def _write_replicas(self, what: str, number: int, replicas: list[p4r.Replica], kind: int = Update.MODIFY) -> None:
        if kind == Update.MODIFY and (what, number) not in self.written:
            kind = Update.INSERT
            self.written.add((what, number))
        entry = p4r.PacketReplicationEngineEntry()
        if what == "group":
            entry.multicast_group_entry.multicast_group_id = number
            entry.multicast_group_entry.replicas.extend(replicas)
        else:
            entry.clone_session_entry.session_id = number
            entry.clone_session_entry.replicas.extend(replicas)
        self._write(kind, p4r.Entity(packet_replication_engine_entry=entry))
        if kind == Update.DELETE:
            self.written.discard((what, number))

    # ---- counters, registers, meters

    def _check_counter(self, command: stf.CheckCounter) -> None:
        data = self._counter(command)
        value = data.byte_count if command.unit == "bytes" else data.packet_count
        if command.comparison is not None and not command.comparison.holds(value):
            message = f"found {value} {command.unit} in {command.name}, expected {command.comparison}"
            self.failures.append(Failure(command.position, message))

    def _counter(self, command: stf.CheckCounter) -> p4r.CounterData:
        entity = p4r.Entity()
        if command.index is not None:
            counter = self.schema.named("counter", self.switch.info.counters, command.name, command.position)
            entity.counter_entry.counter_id = counter.preamble.id
            entity.counter_entry.index.index = command.index
            (found,) = self.switch.read(entity)
            return found.counter_entry.data
        if command.handle is None:
            raise CompileError(command.position, f"found no index or handle of {command.name}, expected one")
        entry = self._entry(command.handle, command.position)
        key = entity.direct_counter_entry.table_entry
        key.table_id, key.priority = entry.table_id, entry.priority
        key.match.extend(entry.match)
        (found,) = self.switch.read(entity)
        return found.direct_counter_entry.data

    def _register(self, command: stf.ReadRegister | stf.WriteRegister) -> None:
        register = self.schema.named("register", self.switch.info.registers, command.name, command.position)
        entity = p4r.Entity(register_entry=p4r.RegisterEntry(register_id=register.preamble.id))
        if command.index is not None:
            entity.register_entry.index.index = command.index
        if isinstance(command, stf.WriteRegister):
            width = _width(register)
            data = p4d.P4Data(bitstring=encoded(command.value, width, command.name, command.position))
            entity.register_entry.data.CopyFrom(data)
            self._write(Update.MODIFY, entity)
            return
        (found,) = self.switch.read(entity)
        value = int.from_bytes(found.register_entry.data.bitstring, "big")
        if command.comparison is not None and not command.comparison.holds(value):
            message = f"found {value} in {command.name}[{command.index}], expected {command.comparison}"
            self.failures.append(Failure(command.position, message))

    def _set_rates(self, command: stf.SetRates) -> None:
        meter = self.schema.named("meter", self.switch.info.meters, command.name, command.position)
        config = p4r.MeterConfig(
            cir=command.committed[0], cburst=command.committed[1], pir=command.peak[0], pburst=command.peak[1]
        )
        entry = p4r.MeterEntry(meter_id=meter.preamble.id, index=p4r.Index(index=command.index), config=config)
        self._write(Update.MODIFY, p4r.Entity(meter_entry=entry))

    # ---- what left

    def compare(self) -> list[Failure]:
        """Packets against expectations, port by port, in order."""
        return [failure for port in sorted(self.ports) for failure in self._compare_port(port)]

    def _compare_port(self, port: int) -> list[Failure]:
        expected, found = self.expected[port], self.left[port]
        if any(each.digits is None for each in expected):
            return []
        failures = [
            Failure(wanted.position, _difference(port, wanted, frame))
            for wanted, frame in zip(expected, found, strict=False)
            if not wanted.accepts(frame)
        ]
        for wanted in expected[len(found) :]:
            text = f"found no packet on port {port}, expected {shown(wanted)}"
            failures.append(Failure(wanted.position, text))
        surplus = found[len(expected) :]
        if surplus:
            lines = [f"  {frame.hex()}" for frame in surplus[:LISTED_PACKETS]]
            message = f"found {len(surplus)} packets more than expected on port {port}:"
            failures.append(Failure(self.ports[port], "\n".join([message, *lines])))
        return failures


def _width(register: p4i.Register) -> int:
    """Bits of a register's cells."""
    spec = register.type_spec.bitstring
    kind = spec.WhichOneof("type_spec")
    return int(getattr(spec, kind).bitwidth) if kind else 1


def shown(expect: stf.Expect) -> str:
    """An expectation as its test writes it."""
    return f"{expect.digits}{'$' if expect.exact else ''}"


def _difference(port: int, wanted: stf.Expect, frame: bytes) -> str:
    """Both, one under the other, with the first difference marked."""
    digits, found = wanted.digits or "", frame.hex().upper()
    pairs = enumerate(zip(digits, found, strict=False))
    first = next((index for index, (one, other) in pairs if one not in ("*", other)), min(len(digits), len(found)))
    lines = [
        f"found another packet on port {port} than expected (from byte {first // 2} on):",
        f"  expected {shown(wanted)}",
        f"  found    {found}",
        f"           {' ' * first}^",
    ]
    return "\n".join(lines)
