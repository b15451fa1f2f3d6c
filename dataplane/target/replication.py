"""Multicast groups and clone sessions (P4Runtime section "PacketReplicationEngineEntry")."""

import errno
from collections.abc import Iterator
from typing import Any

from finsy.proto import p4r

from dataplane.compiler.layout import CLONES, MAXIMUM_REPLICAS, MULTICAST
from dataplane.target.bytestrings import decode
from dataplane.target.maps import Map, Maps, number
from dataplane.target.refusal import exhausted, invalid, missing, present, unimplemented

Update = p4r.Update
LARGEST_PORT = 511
"""v1model's ports have 9 bits."""
LARGEST_GROUP = 0xFFFF
"""So have groups and instances: 16."""
LARGEST_SESSION = 0xFFFFFFFF


class Replication:
    """The replication engine of one program."""

    def __init__(self, maps: Maps, cpu_port: int | None = None) -> None:
        self._cpu_port = cpu_port
        self._groups = _Replicated("multicast group", maps[MULTICAST], LARGEST_GROUP)
        self._sessions = _Replicated("clone session", maps[CLONES], LARGEST_SESSION)

    def write(self, kind: int, message: p4r.PacketReplicationEngineEntry) -> None:
        """One update of a group or session."""
        what = message.WhichOneof("type")
        if what == "multicast_group_entry":
            group = message.multicast_group_entry
            self._groups.write(kind, group.multicast_group_id, group, lambda: self._replicas(group.replicas))
        elif what == "clone_session_entry":
            session = message.clone_session_entry
            self._sessions.write(kind, session.session_id, session, lambda: self._session(session))
        else:
            raise invalid("replication: found neither a multicast group nor a clone session; expected one")

    def read(self, message: p4r.PacketReplicationEngineEntry) -> Iterator[p4r.Entity]:
        """The group or session with the id, all where it is 0, all of both where there is no type."""
        what = message.WhichOneof("type")
        if what in (None, "multicast_group_entry"):
            for group in self._groups.read(message.multicast_group_entry.multicast_group_id):
                entry = p4r.PacketReplicationEngineEntry(multicast_group_entry=group)
                yield p4r.Entity(packet_replication_engine_entry=entry)
        if what in (None, "clone_session_entry"):
            for session in self._sessions.read(message.clone_session_entry.session_id):
                entry = p4r.PacketReplicationEngineEntry(clone_session_entry=session)
                yield p4r.Entity(packet_replication_engine_entry=entry)

    def _session(self, session: p4r.CloneSessionEntry) -> bytes:
        if not 0 <= session.packet_length_bytes < 1 << 16:
            raise invalid(
                f"clone session {session.session_id}: found length {session.packet_length_bytes}; "
                "expected 0 (whole packets) to 65535 bytes"
            )
        return number(session.packet_length_bytes) + self._replicas(session.replicas)

    def _replicas(self, replicas: Any) -> bytes:
        pairs = [(self._port(replica), replica.instance) for replica in replicas]
        if len(pairs) > MAXIMUM_REPLICAS:
            raise exhausted(f"replication: found {len(pairs)} replicas; expected at most {MAXIMUM_REPLICAS}")
        twice = {pair for pair in pairs if pairs.count(pair) > 1}
        if twice:
            port, instance = min(twice)
            raise invalid(f"replication: found port {port} with instance {instance} twice; expected each pair once")
        value = number(len(pairs)) + b"".join(number(port) + number(instance) for port, instance in pairs)
        return value.ljust(4 + 8 * MAXIMUM_REPLICAS, b"\0")

    def _port(self, replica: p4r.Replica) -> int:
        if len(replica.backup_replicas):
            raise unimplemented("replication: found backup replicas; expected none")
        if replica.instance > LARGEST_GROUP:
            raise invalid(f"replication: found instance {replica.instance}; expected 0 to {LARGEST_GROUP}")
        port = decode(replica.port) if replica.WhichOneof("port_kind") == "port" else replica.egress_port
        if port == p4r.SDN_PORT_CPU & 0xFFFFFFFF and self._cpu_port is not None:
            return self._cpu_port
        if not 0 <= port <= LARGEST_PORT:
            raise invalid(f"replication: found port {port}; expected 0 to {LARGEST_PORT}")
        return int(port)


class _Replicated:
    """Groups or sessions, as they were written and in their map."""

    def __init__(self, name: str, target: Map, largest: int) -> None:
        self._name = name
        self._map = target
        self._largest = largest
        self._messages: dict[int, Any] = {}

    def write(self, kind: int, identifier: int, message: Any, value: Any) -> None:
        there = identifier in self._messages
        if not 0 < identifier <= self._largest:
            raise invalid(f"{self._name}: found id {identifier}; expected 1 to {self._largest}")
        if kind == Update.INSERT and there:
            raise present(f"{self._name} {identifier} is there; expected a new id, or MODIFY")
        if kind != Update.INSERT and not there:
            raise missing(f"{self._name}: found no {identifier}; expected one that was inserted")
        if kind == Update.DELETE:
            self._map.delete(number(identifier))
            del self._messages[identifier]
            return
        try:
            self._map.update(number(identifier), value())
        except OSError as error:
            if error.errno not in (errno.E2BIG, errno.ENOSPC, errno.ENOMEM):
                raise
            raise exhausted(f"{self._name}: found its map full; expected at most {self._map.max_entries}") from None
        copy = type(message)()
        copy.CopyFrom(message)
        self._messages[identifier] = copy

    def read(self, identifier: int) -> list[Any]:
        if identifier:
            return [self._messages[identifier]] if identifier in self._messages else []
        return list(self._messages.values())
