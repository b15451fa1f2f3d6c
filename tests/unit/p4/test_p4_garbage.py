"""Messages with random bytes in them: each is served or refused, and the tables stay whole."""

import random

import pytest
from finsy.proto import p4r
from google.protobuf.message import DecodeError
from rig import DELETE, INSERT, MODIFY, Rig, wrap

from dataplane.target.packetio import PacketHeaders
from dataplane.target.refusal import Refusal

MAC = b"\x0a\x00\x00\x00\x00\x01"


def seeds(rig):
    """Valid updates of every entity."""
    forward, drop = rig.action("ipv4_forward", MAC, b"\x03"), rig.action("drop")
    profile, digest = rig.info.action_profiles[0].preamble.id, rig.info.digests[0].preamble.id
    config = {"cir": 1, "cburst": 2, "pir": 3, "pburst": 4}
    replicas = [{"port": b"\x01", "instance": 1}, {"port": b"\x02", "instance": 2}]
    host = rig.entry("hosts", [(1, "exact", MAC), (2, "exact", b"\x01")], drop, idle_timeout_ns=5, meter_config=config)
    rule = rig.entry(
        "acl",
        [(1, "ternary", b"\x0a\0\0\0", b"\xff\0\0\0"), (2, "lpm", b"\x0a\0\0\0", 8), (3, "range", b"\x03", b"\x49")],
        forward,
        priority=3,
    )
    action_set = {"action_profile_actions": [{"action": drop.action, "weight": 1}]}
    return [
        host,
        rule,
        rig.entry("ipv4_lpm", [(1, "lpm", b"\x0a\0\0\0", 8)], forward, counter_data={"packet_count": 1}),
        rig.entry("ipv4_lpm", action=drop, is_default_action=True),
        rig.entry("balance", [(1, "exact", b"\x01")], p4r.TableAction(action_profile_action_set=action_set)),
        rig.entry("balance", [(1, "exact", b"\x02")], p4r.TableAction(action_profile_member_id=1)),
        p4r.ActionProfileMember(action_profile_id=profile, member_id=1, action=forward.action),
        p4r.ActionProfileGroup(action_profile_id=profile, group_id=1, members=[{"member_id": 1, "weight": 2}]),
        p4r.CounterEntry(counter_id=rig.info.counters[0].preamble.id, index={"index": 1}, data={"packet_count": 3}),
        p4r.MeterEntry(meter_id=rig.info.meters[0].preamble.id, index={"index": 1}, config=config),
        p4r.RegisterEntry(register_id=rig.info.registers[0].preamble.id, data={"bitstring": b"\x07"}),
        p4r.DirectCounterEntry(table_entry=rig.entry("ipv4_lpm", [(1, "lpm", b"\x0a\0\0\0", 8)]), data={}),
        p4r.DirectMeterEntry(table_entry=host, config=config),
        p4r.DigestEntry(digest_id=digest, config={"max_list_size": 2}),
        p4r.PacketReplicationEngineEntry(multicast_group_entry={"multicast_group_id": 1, "replicas": replicas}),
        p4r.PacketReplicationEngineEntry(clone_session_entry={"session_id": 1, "replicas": replicas}),
    ]


def mutated(chance, data):
    data = bytearray(data)
    for _ in range(chance.choice([0, 1, 1, 2, 5])):
        if data:
            place = chance.randrange(len(data))
            data[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


def parsed(kind, data):
    try:
        return kind.FromString(data)
    except DecodeError:
        return None


@pytest.mark.parametrize("seed", range(6))
def test_any_update_or_read_is_served_or_refused(seed):
    chance, rig = random.Random(seed), Rig()
    valid = [wrap(message) for message in seeds(rig)]
    for _ in range(3000):
        entity = parsed(p4r.Entity, mutated(chance, chance.choice(valid).SerializeToString()))
        if entity is None:
            continue
        try:
            if chance.random() < 0.2:
                list(rig.pipeline.read(entity))
            else:
                rig.pipeline.write(p4r.Update(type=chance.choice([INSERT, MODIFY, DELETE]), entity=entity))
        except Refusal as refusal:
            assert refusal.message
    for entity in list(rig.pipeline.read(wrap(p4r.TableEntry()))):
        if not entity.table_entry.is_const:
            rig.pipeline.write(p4r.Update(type=DELETE, entity=entity))
    for name in ("hosts", "acl", "ipv4_lpm", "balance"):
        assert not rig.maps[rig.place(name).entries].content, name
    masks = rig.maps[rig.place("acl").masks].content.values()
    assert not any(any(slot[:4]) for slot in masks)


def test_any_packet_out_is_a_frame_or_refused():
    chance, headers = random.Random(1), PacketHeaders(Rig().info)
    metadata = [{"metadata_id": 1, "value": b"\x05"}, {"metadata_id": 2, "value": b"\x00"}]
    valid = p4r.PacketOut(payload=b"x" * 30, metadata=metadata).SerializeToString()
    frames = 0
    for _ in range(3000):
        message = parsed(p4r.PacketOut, mutated(chance, valid))
        if message is None:
            continue
        try:
            frames += len(headers.packet_out(message)) >= 14
        except Refusal as refusal:
            assert "packet-out" in refusal.message
    assert frames
