"""The reference behind P4Runtime's messages, so that STF tests run on it as on the kernel."""

from finsy.proto import p4d, p4r
from reference import Reference, Session

from dataplane.compiler.lowered import KeyValue
from dataplane.compiler.p4info import p4info
from dataplane.target.refusal import missing


class ReferenceSwitch:
    """A program in the interpreter."""

    def __init__(self, program):
        self.reference = Reference(program)
        self.info = p4info(program)
        self._tables = {table.preamble.id: table for table in self.info.tables}
        self._actions = {action.preamble.id: action for action in self.info.actions}

    def packet(self, port, data):
        return self.reference.packet(port, data)

    def write(self, update):
        entity = update.entity
        match entity.WhichOneof("entity"):
            case "table_entry":
                self._write_entry(update.type, entity.table_entry)
            case "packet_replication_engine_entry":
                self._write_replicas(update.type, entity.packet_replication_engine_entry)
            case "register_entry":
                cells = self.reference.registers[self._name(self.info.registers, entity.register_entry.register_id)]
                value = int.from_bytes(entity.register_entry.data.bitstring)
                if entity.register_entry.HasField("index"):
                    cells[entity.register_entry.index.index] = value
                else:
                    cells[:] = [value] * len(cells)
            case "meter_entry":
                name = self._name(self.info.meters, entity.meter_entry.meter_id)
                config = entity.meter_entry.config
                bucket = [config.cburst, config.pburst]
                self.reference.buckets[name, entity.meter_entry.index.index] = bucket
            case what:
                raise AssertionError(what)

    def read(self, entity):
        found = p4r.Entity()
        found.CopyFrom(entity)
        match entity.WhichOneof("entity"):
            case "table_entry":
                return list(self._entries())
            case "counter_entry":
                cells = self.reference.counters[self._name(self.info.counters, entity.counter_entry.counter_id)]
                packets, octets = cells[entity.counter_entry.index.index]
                found.counter_entry.data.CopyFrom(p4r.CounterData(packet_count=packets, byte_count=octets))
            case "direct_counter_entry":
                entry = self._find(entity.direct_counter_entry.table_entry)
                data = p4r.CounterData(packet_count=entry.packets, byte_count=entry.bytes)
                found.direct_counter_entry.data.CopyFrom(data)
            case "register_entry":
                cells = self.reference.registers[self._name(self.info.registers, entity.register_entry.register_id)]
                value = cells[entity.register_entry.index.index]
                data = value.to_bytes(16).lstrip(b"\0") or b"\0"
                found.register_entry.data.CopyFrom(p4d.P4Data(bitstring=data))
        return [found]

    @staticmethod
    def _name(objects, identifier):
        return next(each.preamble.name for each in objects if each.preamble.id == identifier)

    # ---- entries

    def _write_entry(self, kind, message):
        table = self._tables[message.table_id]
        name = table.preamble.name
        if message.is_default_action:
            self.reference.set_default(name, *self._call(message.action.action))
        elif kind == p4r.Update.INSERT:
            keys = self._keys(table, message)
            self.reference.add(name, keys, *self._call(message.action.action), message.priority)
        else:
            self.reference.tables[name].entries.remove(self._find(message))

    def _find(self, message):
        table = self._tables[message.table_id]
        keys = tuple(self._keys(table, message))
        for entry in self.reference.tables[table.preamble.name].entries:
            if entry.keys == keys and entry.priority == message.priority:
                return entry
        raise missing(f"{table.preamble.name} has no such entry")

    def _keys(self, table, message):
        given = {match.field_id: match for match in message.match}
        for field in table.match_fields:
            ones = (1 << field.bitwidth) - 1
            match = given.get(field.id)
            if match is None:
                yield KeyValue(0, 0)
                continue
            value = getattr(match, match.WhichOneof("field_match_type"))
            match match.WhichOneof("field_match_type"):
                case "lpm":
                    mask = ones & ~((1 << (field.bitwidth - value.prefix_len)) - 1)
                    yield KeyValue(int.from_bytes(value.value), mask)
                case "ternary":
                    yield KeyValue(int.from_bytes(value.value), int.from_bytes(value.mask))
                case "range":
                    yield KeyValue(int.from_bytes(value.low), ones, int.from_bytes(value.high))
                case _:
                    yield KeyValue(int.from_bytes(value.value), ones)

    def _call(self, message):
        action = self._actions[message.action_id]
        values = {parameter.param_id: int.from_bytes(parameter.value) for parameter in message.params}
        return action.preamble.name, [values[parameter.id] for parameter in action.params]

    def _entries(self):
        """What was added, without what the source brings."""
        for table in self.info.tables:
            for entry in self.reference.tables[table.preamble.name].entries:
                message = p4r.TableEntry(table_id=table.preamble.id, priority=entry.priority)
                for field, key in zip(table.match_fields, entry.keys, strict=True):
                    if key.mask or key.high is not None:
                        message.match.append(_match(field, key))
                yield p4r.Entity(table_entry=message)

    # ---- copies

    def _write_replicas(self, kind, entry):
        what = entry.WhichOneof("type")
        message = getattr(entry, what)
        replicas = [(replica.egress_port, replica.instance) for replica in message.replicas]
        if what == "multicast_group_entry":
            known, number, session = self.reference.groups, message.multicast_group_id, Session(replicas)
        else:
            length = message.packet_length_bytes
            known, number, session = self.reference.sessions, message.session_id, Session(replicas, length)
        if kind == p4r.Update.DELETE:
            del known[number]
        else:
            known[number] = session


def _match(field, key):
    def data(value):
        return value.to_bytes((field.bitwidth + 7) // 8)

    match = p4r.FieldMatch(field_id=field.id)
    ones = (1 << field.bitwidth) - 1
    if key.high is not None:
        match.range.low, match.range.high = data(key.value), data(key.high)
    elif key.mask == ones and field.match_type == field.EXACT:
        match.exact.value = data(key.value)
    elif field.match_type == field.LPM:
        match.lpm.value, match.lpm.prefix_len = data(key.value), key.mask.bit_count()
    elif field.match_type == field.OPTIONAL:
        match.optional.value = data(key.value)
    else:
        match.ternary.value, match.ternary.mask = data(key.value), data(key.mask)
    return match
