"""Counters, meters, registers, groups, sessions, profiles and digests: maps, reads, refusals."""

import handmade
import pytest
from finsy.proto import p4r
from rig import DELETE, INSERT, MODIFY, Rig

from dataplane.compiler.layout import CLONES, MULTICAST
from dataplane.target.refusal import Code, Refusal

MAC = b"\x0a\x00\x00\x00\x00\x01"


@pytest.fixture
def rig():
    return Rig()


def refused(code, message, action, *arguments):
    with pytest.raises(Refusal, match=message) as found:
        action(*arguments)
    assert found.value.code == code


def word(value):
    return value.to_bytes(4, "little")


# arrays


def counter(rig, index=None, **data):
    where = {} if index is None else {"index": {"index": index}}
    return p4r.CounterEntry(counter_id=rig.info.counters[0].preamble.id, data=data or None, **where)


def test_a_counter_is_set_at_an_index_or_everywhere(rig):
    rig.write(MODIFY, counter(rig, 3, packet_count=7, byte_count=9))
    counters = rig.maps[rig.layout.counters[0].map]
    assert counters.lookup(word(3)) == (7).to_bytes(8, "little") + (9).to_bytes(8, "little")
    assert [entry.data.packet_count for entry in rig.read(counter(rig))] == [0, 0, 0, 7] + [0] * 12
    rig.write(MODIFY, counter(rig, packet_count=1))
    assert {entry.data.packet_count for entry in rig.read(p4r.CounterEntry())} == {1}


@pytest.mark.parametrize(
    ("index", "code", "message"),
    [
        (-1, Code.INVALID_ARGUMENT, "seen: found index -1; expected 0 to 15"),
        (16, Code.OUT_OF_RANGE, "seen: found index 16; expected 0 to 15"),
    ],
)
def test_an_index_outside_is_refused(rig, index, code, message):
    refused(code, message, rig.write, MODIFY, counter(rig, index, packet_count=1))
    refused(code, message, rig.read, counter(rig, index))


@pytest.mark.parametrize("kind", [INSERT, DELETE])
def test_what_is_always_there_is_only_modified(rig, kind):
    refused(Code.INVALID_ARGUMENT, "expected MODIFY", rig.write, kind, counter(rig, 1, packet_count=1))


def test_a_meter_is_configured_with_full_buckets_and_set_back(rig):
    meter = rig.info.meters[0].preamble.id
    entry = p4r.MeterEntry(meter_id=meter, index={"index": 2}, config={"cir": 1, "cburst": 2, "pir": 3, "pburst": 4})
    rig.write(MODIFY, entry)
    meters = rig.maps[rig.layout.meters[0].map]
    numbers = b"".join(number.to_bytes(8, "little") for number in (1, 2, 3, 4))
    assert meters.lookup(word(2)) == numbers + bytes(32)
    assert rig.read(p4r.MeterEntry(meter_id=meter, index={"index": 2})) == [entry]
    rig.write(MODIFY, p4r.MeterEntry(meter_id=meter, index={"index": 2}))
    assert meters.lookup(word(2)) == bytes(64)
    coloured = p4r.MeterEntry(meter_id=meter, index={"index": 2}, counter_data={})
    refused(Code.UNIMPLEMENTED, "colours are not counted", rig.read, coloured)


def test_a_register_holds_numbers_of_its_width(rig):
    register = rig.info.registers[0].preamble.id
    entry = p4r.RegisterEntry(register_id=register, index={"index": 1}, data={"bitstring": b"\0\xab\xcd"})
    rig.write(MODIFY, entry)
    assert rig.maps[rig.layout.registers[0].map].lookup(word(1)) == b"\xcd\xab" + bytes(6)
    (read,) = rig.read(p4r.RegisterEntry(register_id=register, index={"index": 1}))
    assert read.data.bitstring == b"\xab\xcd"
    large = p4r.RegisterEntry(register_id=register, data={"bitstring": b"\x01" * 7})
    refused(
        Code.INVALID_ARGUMENT, "state: found 0x01010101010101; expected a number of 48 bits", rig.write, MODIFY, large
    )
    other = p4r.RegisterEntry(register_id=register, data={"bool": True})
    refused(Code.INVALID_ARGUMENT, "state: found bool; expected a bitstring", rig.write, MODIFY, other)


# replication


def group(number, *replicas):
    entry = {"multicast_group_id": number, "replicas": [{"port": port, "instance": each} for port, each in replicas]}
    return p4r.PacketReplicationEngineEntry(multicast_group_entry=entry)


def test_a_group_is_its_count_and_its_ports_with_instances(rig):
    rig.write(INSERT, group(5, (b"\x01", 1), (b"\x01\x02", 9)))
    value = rig.maps[MULTICAST].lookup(word(5))
    assert value[:20] == word(2) + word(1) + word(1) + word(0x102) + word(9)
    assert rig.read(group(0)) == [group(5, (b"\x01", 1), (b"\x01\x02", 9))]
    rig.write(MODIFY, group(5))
    assert rig.maps[MULTICAST].lookup(word(5))[:4] == word(0)
    rig.write(DELETE, group(5))
    assert rig.maps[MULTICAST].lookup(word(5)) is None


def test_a_session_has_a_length_before_its_ports_and_may_name_the_cpu_port(rig):
    session = {"session_id": 1, "packet_length_bytes": 128, "replicas": [{"port": b"\xff\xff\xff\xfd", "instance": 1}]}
    rig.write(INSERT, p4r.PacketReplicationEngineEntry(clone_session_entry=session))
    assert rig.maps[CLONES].lookup(word(1))[:16] == word(128) + word(1) + word(510) + word(1)


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        (group(0), Code.INVALID_ARGUMENT, "multicast group: found id 0; expected 1"),
        (group(1, (b"\x01", 1), (b"\x01", 1)), Code.INVALID_ARGUMENT, "found port 1 with instance 1 twice"),
        (group(1, (b"\x02\x00", 1)), Code.INVALID_ARGUMENT, "found port 512; expected 0 to 511"),
        (group(1, *((b"\x01", each) for each in range(257))), Code.RESOURCE_EXHAUSTED, "found 257 replicas"),
    ],
)
def test_a_group_that_cannot_be_is_refused(rig, entry, code, message):
    refused(code, message, rig.write, INSERT, entry)
    assert not rig.maps[MULTICAST].content


def test_groups_are_inserted_once_and_then_modified(rig):
    refused(Code.NOT_FOUND, "found no 1", rig.write, MODIFY, group(1))
    rig.write(INSERT, group(1))
    refused(Code.ALREADY_EXISTS, "multicast group 1 is there", rig.write, INSERT, group(1))


# action profiles


def member(rig, number, port=b"\x01"):
    profile = rig.info.action_profiles[0].preamble.id
    action = rig.action("ipv4_forward", MAC, port).action
    return p4r.ActionProfileMember(action_profile_id=profile, member_id=number, action=action)


def members_group(rig, number, *weighted, **fields):
    profile = rig.info.action_profiles[0].preamble.id
    members = [{"member_id": each, "weight": weight} for each, weight in weighted]
    return p4r.ActionProfileGroup(action_profile_id=profile, group_id=number, members=members, **fields)


def balance(rig, address=1, **action):
    return rig.entry("balance", [(1, "exact", bytes([address]))], p4r.TableAction(**action))


def test_an_entry_refers_to_a_member_or_a_group_and_weights_repeat_members(rig):
    for number in (1, 2):
        rig.write(INSERT, member(rig, number))
    rig.write(INSERT, members_group(rig, 7, (1, 1), (2, 3)))
    rig.write(INSERT, balance(rig, 1, action_profile_member_id=2))
    rig.write(INSERT, balance(rig, 2, action_profile_group_id=7))
    profile = rig.layout.profiles[0]
    assert rig.maps[profile.groups].lookup(word(7))[:20] == word(4) + word(1) + word(2) * 3
    assert list(rig.maps[rig.place("balance").entries].content.values()) == [
        word(0) + word(0) + word(2),
        word(1) + word(1) + word(7),
    ]
    assert rig.maps[profile.members].lookup(word(2))[4:8] == word(0xFFFFFFFF)


def test_what_is_in_use_is_not_deleted_and_what_is_missing_is_not_used(rig):
    refused(Code.NOT_FOUND, "found no member 1", rig.write, INSERT, balance(rig, action_profile_member_id=1))
    refused(Code.NOT_FOUND, "group 7: found no member 1", rig.write, INSERT, members_group(rig, 7, (1, 1)))
    rig.write(INSERT, member(rig, 1))
    rig.write(INSERT, members_group(rig, 7, (1, 1)))
    refused(Code.FAILED_PRECONDITION, "member 1 is used 1 times", rig.write, DELETE, member(rig, 1))
    rig.write(INSERT, balance(rig, action_profile_group_id=7))
    refused(Code.FAILED_PRECONDITION, "is used by 1 entries", rig.write, DELETE, members_group(rig, 7))
    rig.write(DELETE, balance(rig, action_profile_group_id=7))
    rig.write(DELETE, members_group(rig, 7))
    rig.write(DELETE, member(rig, 1))
    assert not rig.maps[rig.layout.profiles[0].members].content


@pytest.mark.parametrize(
    ("weighted", "code", "message"),
    [
        ([(1, 0)], Code.INVALID_ARGUMENT, "found weight 0"),
        ([(1, 1), (1, 1)], Code.INVALID_ARGUMENT, "found member 1 twice"),
        ([(1, 257)], Code.RESOURCE_EXHAUSTED, "found weights of 257 together; expected at most 256"),
    ],
)
def test_a_group_of_members_that_cannot_be_is_refused(rig, weighted, code, message):
    rig.write(INSERT, member(rig, 1))
    refused(code, message, rig.write, INSERT, members_group(rig, 7, *weighted))


def one_shot(rig, *ports):
    actions = [{"action": rig.action("ipv4_forward", MAC, bytes([port])).action, "weight": 1} for port in ports]
    return {"action_profile_action_set": {"action_profile_actions": actions}}


def test_a_one_shot_set_makes_its_members_and_takes_them_along(rig):
    profile = rig.layout.profiles[0]
    rig.write(INSERT, balance(rig, **one_shot(rig, 1, 2)))
    (record,) = rig.maps[rig.place("balance").entries].content.values()
    assert record[:4] == word(1)
    first = rig.maps[profile.groups].lookup(record[8:12])
    assert first[:4] == word(2)
    rig.write(MODIFY, balance(rig, **one_shot(rig, 3)))
    (record,) = rig.maps[rig.place("balance").entries].content.values()
    assert rig.maps[profile.groups].lookup(record[8:12])[:4] == word(1)
    assert len(rig.maps[profile.members].content) == 1
    refused(Code.INVALID_ARGUMENT, "expected one style alone", rig.write, INSERT, member(rig, 1))
    assert rig.read(rig.entry("balance")) == [balance(rig, **one_shot(rig, 3))]
    rig.write(DELETE, balance(rig, **one_shot(rig, 3)))
    assert not rig.maps[profile.members].content and not rig.maps[profile.groups].content
    rig.write(INSERT, member(rig, 1))


def test_a_set_that_does_not_fit_leaves_no_trace(rig):
    refused(
        Code.RESOURCE_EXHAUSTED,
        "found 0 members and 65 more; expected at most 64, its size",
        rig.write,
        INSERT,
        balance(rig, **one_shot(rig, *range(65))),
    )
    broken = one_shot(rig, 1, 2)
    broken["action_profile_action_set"]["action_profile_actions"][1]["action"].params.pop()
    refused(Code.INVALID_ARGUMENT, "found no value for", rig.write, INSERT, balance(rig, **broken))
    assert not rig.maps[rig.layout.profiles[0].members].content
    rig.write(INSERT, member(rig, 1))


# digests


def learned(address, port=3, new=1):
    return word(0) + address.to_bytes(6, "big") + port.to_bytes(2, "big") + bytes([new])


def telling(rig, **config):
    return p4r.DigestEntry(digest_id=rig.info.digests[0].preamble.id, config=config)


def test_digests_are_told_when_a_list_is_full_or_the_first_has_waited_long_enough(rig):
    digests = rig.pipeline.digests
    digests.receive(learned(9))
    rig.write(INSERT, telling(rig, max_list_size=2, max_timeout_ns=1000))
    digests.receive(learned(1))
    assert digests.lists() == [] and digests.wait_ns() == 1000
    rig.clock.now += 400
    digests.receive(learned(1))
    assert digests.lists() == [] and digests.wait_ns() == 600, "the same again is no second message"
    digests.receive(learned(2))
    (message,) = digests.lists()
    values = [[each.WhichOneof("data") for each in data.struct.members] for data in message.data]
    assert values == [["bitstring", "bitstring", "bool"]] * 2
    assert message.data[1].struct.members[0].bitstring == b"\x02" and message.timestamp == 7
    digests.receive(learned(3))
    rig.clock.now += 1000
    (message,) = digests.lists()
    assert len(message.data) == 1 and message.list_id == 2


def test_a_message_is_told_again_only_after_its_list_was_acknowledged_or_forgotten(rig):
    digests = rig.pipeline.digests
    rig.write(INSERT, telling(rig, max_list_size=1, ack_timeout_ns=1000))
    digests.receive(learned(1))
    (message,) = digests.lists()
    digests.receive(learned(1))
    assert digests.lists() == []
    assert digests.acknowledge(p4r.DigestListAck(digest_id=message.digest_id, list_id=message.list_id))
    digests.receive(learned(1))
    assert len(digests.lists()) == 1
    rig.clock.now += 1000
    digests.lists()
    digests.receive(learned(1))
    assert len(digests.lists()) == 1


def test_digests_are_configured_like_other_entities(rig):
    refused(Code.NOT_FOUND, "learn_t is not told", rig.write, DELETE, telling(rig))
    rig.write(INSERT, telling(rig, max_list_size=1))
    refused(Code.ALREADY_EXISTS, "learn_t is told already", rig.write, INSERT, telling(rig))
    assert rig.read(p4r.DigestEntry()) == [telling(rig, max_list_size=1)]
    refused(Code.NOT_FOUND, "found digest 5; expected one of learn_t", rig.read, p4r.DigestEntry(digest_id=5))
    rig.write(DELETE, telling(rig))
    assert rig.read(p4r.DigestEntry()) == []


def test_a_struct_within_a_digest_is_a_struct_again():
    inner = handmade.Struct("inner_t", (handmade.Field("a", handmade.Bits(8)), handmade.Field("b", handmade.Bits(16))))
    outer = handmade.Struct("outer_t", (handmade.Field("first", inner), handmade.Field("last", handmade.Bits(4))))
    rig = Rig(handmade.program(digests=(handmade.DigestType("outer_t", outer, {}),)))
    rig.write(INSERT, telling(rig, max_list_size=1))
    rig.pipeline.digests.receive(word(0) + b"\x01\x00\x02\x03")
    (message,) = rig.pipeline.digests.lists()
    first, last = message.data[0].struct.members
    assert [each.bitstring for each in first.struct.members] == [b"\x01", b"\x02"] and last.bitstring == b"\x03"


# what is not there


@pytest.mark.parametrize("what", ["value_set_entry", "extern_entry"])
def test_what_the_target_has_not_is_unimplemented_and_reads_nothing(rig, what):
    entity = p4r.Entity(**{what: {}})
    with pytest.raises(Refusal) as found:
        rig.pipeline.write(p4r.Update(type=MODIFY, entity=entity))
    assert found.value.code == Code.UNIMPLEMENTED
    assert list(rig.pipeline.read(entity)) == []


def test_an_update_without_type_or_entity_is_refused(rig):
    refused(Code.INVALID_ARGUMENT, "found type 0", rig.pipeline.write, p4r.Update(entity={"table_entry": {}}))
    refused(Code.INVALID_ARGUMENT, "found no entity", rig.pipeline.write, p4r.Update(type=INSERT))
    refused(Code.INVALID_ARGUMENT, "found no entity", lambda: list(rig.pipeline.read(p4r.Entity())))
