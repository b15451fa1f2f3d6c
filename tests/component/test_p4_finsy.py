"""finsy, a P4Runtime controller library that nobody here wrote, against the server on loopback."""

import asyncio
from pathlib import Path

import pytest
from finsy import (
    P4ActionProfileGroup,
    P4ActionProfileMember,
    P4ClientError,
    P4CloneSessionEntry,
    P4CounterData,
    P4CounterEntry,
    P4DigestEntry,
    P4DigestListAck,
    P4DirectCounterEntry,
    P4IndirectAction,
    P4Member,
    P4MeterConfig,
    P4MeterEntry,
    P4MulticastGroupEntry,
    P4PacketOut,
    P4RegisterEntry,
    P4TableAction,
    P4TableEntry,
    P4TableMatch,
    Switch,
    SwitchOptions,
)
from finsy.p4entity import P4Replica
from p4_memory_switch import memory_switch

FORWARD = P4TableAction("ipv4_forward", dstAddr=0x0A, port=3)


def run(test):
    """A test is a coroutine function of the switch under test and a finsy switch that has put its pipeline there."""

    def wrapped(tmp_path):
        async def whole():
            async with memory_switch() as switch:
                bundle = switch.rig.bundle()
                bundle.write(tmp_path)
                options = SwitchOptions(
                    p4info=tmp_path / "handmade.p4info.txt", p4blob=tmp_path / "handmade.bundle", device_id=5
                )
                async with Switch("sw", switch.address, options) as client:
                    await test(switch, client)

        asyncio.run(asyncio.wait_for(whole(), 30))

    wrapped.__name__ = test.__name__
    return wrapped


def listed(entities):
    return entities if isinstance(entities, list) else [entities]


async def everything(client, entities):
    return [entity async for entity in client.read(entities)]


@run
async def test_it_connects_becomes_primary_and_puts_its_pipeline_there(switch, client):
    assert client.is_up and client.is_primary
    assert switch.device.running is not None
    assert switch.device.running.config.p4_device_config == switch.rig.bundle().encode()


@run
async def test_entries_of_every_match_kind_come_back_as_they_were_written(switch, client):
    entries = [
        P4TableEntry("ipv4_lpm", match=P4TableMatch(dst=(0x0A010000, 16)), action=FORWARD),
        P4TableEntry("hosts", match=P4TableMatch(dstAddr=5, port=1), action=P4TableAction("drop"), idle_timeout_ns=9),
        P4TableEntry(
            "acl",
            match=P4TableMatch(src=(0x0A000000, 0xFF0000FF), dst=(0x0A000000, 8), tos=(3, 17), port=4),
            action=FORWARD,
            priority=7,
            metadata=b"class",
        ),
    ]
    await client.write([+entry for entry in entries])
    for entry in entries:
        (read,) = await everything(client, P4TableEntry(entry.table_id))
        assert read == entry
    await client.modify(
        listed(P4TableEntry("ipv4_lpm", match=P4TableMatch(dst="10.1.0.0/16"), action=P4TableAction("drop")))
    )
    await client.delete(listed(entries))
    assert await everything(client, [P4TableEntry(name) for name in ("ipv4_lpm", "hosts", "acl")]) == []


@run
async def test_the_default_action_and_counters_of_entries(switch, client):
    default = P4TableEntry("ipv4_lpm", is_default_action=True, action=P4TableAction("drop"))
    await client.modify(listed(default))
    assert await everything(client, P4TableEntry("ipv4_lpm", is_default_action=True)) == [default]
    match = P4TableMatch(dst="10.0.0.0/8")
    await client.insert(listed(P4TableEntry("ipv4_lpm", match=match, action=FORWARD)))
    counter = P4DirectCounterEntry(
        "hits", table_entry=P4TableEntry("ipv4_lpm", match=match), data=P4CounterData(byte_count=6, packet_count=4)
    )
    await client.modify([counter])
    (read,) = await everything(client, P4TableEntry("ipv4_lpm", counter_data=P4CounterData()))
    assert read.counter_data == P4CounterData(byte_count=6, packet_count=4)


@run
async def test_counters_meters_registers_groups_and_sessions(switch, client):
    config = P4MeterConfig(cir=1, cburst=2, pir=3, pburst=4)
    entities = [
        P4CounterEntry("seen", index=3, data=P4CounterData(byte_count=9, packet_count=8)),
        P4MeterEntry("limits", index=2, config=config),
        P4RegisterEntry("state", index=31, data=0xABCDEF),
    ]
    await client.modify(listed(entities))
    assert await everything(client, entities) == entities
    assert len(await everything(client, P4RegisterEntry("state"))) == 32
    engine = [
        P4MulticastGroupEntry(7, replicas=(1, P4Replica(2, instance=9))),
        P4CloneSessionEntry(1, replicas=(510,), packet_length_bytes=128),
    ]
    await client.insert(listed(engine))
    assert await everything(client, [P4MulticastGroupEntry(), P4CloneSessionEntry()]) == engine
    await client.delete(listed(engine))
    assert await everything(client, [P4MulticastGroupEntry(), P4CloneSessionEntry()]) == []


@run
async def test_members_groups_and_entries_that_use_them(switch, client):
    members = [P4ActionProfileMember("selector", member_id=number, action=FORWARD) for number in (1, 2)]
    await client.insert(listed(members))
    group = P4ActionProfileGroup(
        "selector", group_id=1, max_size=3, members=[P4Member(1, weight=1), P4Member(2, weight=2)]
    )
    await client.insert(listed(group))
    entry = P4TableEntry("balance", match=P4TableMatch(dst=1), action=P4IndirectAction(group_id=1))
    await client.insert(listed(entry))
    assert await everything(client, P4TableEntry("balance")) == [entry]
    assert await everything(client, P4ActionProfileGroup("selector")) == [group]
    with pytest.raises(P4ClientError, match="is used by 1 entries"):
        await client.delete(listed(group))
    await client.delete([entry])
    await client.delete([group])
    await client.delete(listed(members))


@run
async def test_a_one_shot_set_of_actions(switch, client):
    entry = P4TableEntry(
        "balance", match=P4TableMatch(dst=1), action=P4IndirectAction([(3, FORWARD), (1, P4TableAction("drop"))])
    )
    await client.insert(listed(entry))
    assert await everything(client, P4TableEntry("balance")) == [entry]
    await client.delete(listed(entry))


@run
async def test_packets_in_and_out(switch, client):
    reader = asyncio.create_task(anext(client.read_packets()))
    await asyncio.sleep(0)
    switch.packet_in(b"\x01\x80" + bytes(14))
    packet = await reader
    assert (packet["ingress_port"], packet.payload) == (3, bytes(14))
    await client.write(P4PacketOut(b"x" * 20, egress_port=5, _pad=0))
    await everything(client, P4TableEntry("hosts"))
    assert switch.sent == [b"\x02\x80" + b"x" * 20]


@run
async def test_digests_are_told_in_lists_and_acknowledged(switch, client):
    await client.insert(listed(P4DigestEntry("learn_t", max_list_size=2, ack_timeout_ns=10**9)))
    reader = asyncio.create_task(anext(client.read_digests("learn_t")))
    await asyncio.sleep(0)
    digests = switch.device.running.pipeline.digests
    for number in (1, 1, 2):
        digests.receive(bytes(4) + number.to_bytes(6, "big") + b"\x00\x07" + b"\x01")
    (message,) = digests.lists()
    from finsy.proto import p4r

    switch.device.tell_primary(p4r.StreamMessageResponse(digest=message))
    learned = await reader
    assert list(learned) == [{"address": 1, "port": 7, "new": True}, {"address": 2, "port": 7, "new": True}]
    digests.receive(bytes(4) + (1).to_bytes(6, "big") + b"\x00\x07" + b"\x01")
    assert digests.lists() == [], "not told again before it is acknowledged"
    await client.write(P4DigestListAck(learned.digest_id, learned.list_id))


@run
async def test_delete_all_leaves_the_tables_as_the_program_made_them(switch, client):
    await client.insert(listed(P4TableEntry("ipv4_lpm", match=P4TableMatch(dst="10.1.0.0/16"), action=FORWARD)))
    await client.modify(listed(P4TableEntry("ipv4_lpm", is_default_action=True, action=P4TableAction("drop"))))
    await client.delete_all()
    assert [entry.table_id for entry in await everything(client, P4TableEntry())] == ["fixed"]
    (default,) = await everything(client, P4TableEntry("ipv4_lpm", is_default_action=True))
    assert default.action == P4TableAction("NoAction")


@run
async def test_an_error_in_a_batch_names_its_entity(switch, client):
    entry = P4TableEntry("ipv4_lpm", match=P4TableMatch(dst="10.1.0.0/16"), action=FORWARD)
    with pytest.raises(P4ClientError, match="an entry with this match and priority is there") as found:
        await client.insert([entry, entry])
    assert list(found.value.details) == [1]


def test_the_text_of_p4info_is_a_file_that_finsy_reads(tmp_path: Path):
    from finsy import P4Schema
    from rig import Rig

    Rig().bundle().write(tmp_path)
    assert P4Schema(tmp_path / "handmade.p4info.txt").tables["acl"].size == 64
