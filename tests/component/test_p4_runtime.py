"""P4Runtime over gRPC on loopback, spoken by gRPC's own client with messages made by hand."""

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import pytest
from finsy.proto import p4i, p4r, p4r_grpc, rpc_status
from p4_memory_switch import Rig, handmade, memory_switch

SetConfig = p4r.SetForwardingPipelineConfigRequest
DEVICE = 5
MAC = b"\x0a\x00\x00\x00\x00\x01"


def run(test):
    """A test is a coroutine function of the switch and a stub on it."""

    def wrapped():
        async def whole():
            async with memory_switch() as switch, grpc.aio.insecure_channel(switch.address) as channel:
                await test(switch, p4r_grpc.P4RuntimeStub(channel))

        asyncio.run(asyncio.wait_for(whole(), 30))

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    return wrapped


class Controller:
    """One stream."""

    def __init__(self, stub, election_id=1):
        self.stub = stub
        self.election_id = None if election_id is None else p4r.Uint128(low=election_id)
        self.stream = stub.StreamChannel()

    async def arbitrate(self, device_id=DEVICE, **fields):
        update = p4r.MasterArbitrationUpdate(device_id=device_id, election_id=self.election_id, **fields)
        await self.stream.write(p4r.StreamMessageRequest(arbitration=update))
        return await self.arbitration()

    async def arbitration(self):
        return (await self.next()).arbitration

    async def next(self):
        message = await asyncio.wait_for(self.stream.read(), 10)
        assert message is not grpc.aio.EOF, f"the stream ended: {await self.stream.code()}"
        return message

    async def configure(self, config, action=SetConfig.VERIFY_AND_COMMIT):
        await self.stub.SetForwardingPipelineConfig(
            SetConfig(device_id=DEVICE, election_id=self.election_id, action=action, config=config)
        )

    async def write(self, *updates, **fields):
        request = p4r.WriteRequest(
            **{"device_id": DEVICE, "election_id": self.election_id, "updates": updates, **fields}
        )
        await self.stub.Write(request)

    async def read(self, *entities):
        request = p4r.ReadRequest(device_id=DEVICE, entities=entities)
        return [entity async for answer in self.stub.Read(request) for entity in answer.entities]


async def primary(switch, stub, config=True):
    controller = Controller(stub)
    assert (await controller.arbitrate()).status.code == 0
    if config:
        await controller.configure(switch.config())
    return controller


@asynccontextmanager
async def refused(code, text=""):
    with pytest.raises(grpc.aio.AioRpcError) as found:
        yield found
    assert found.value.code() == code, found.value
    assert text in found.value.details()


def host(switch, number, kind=p4r.Update.INSERT, action="drop"):
    match = [(1, "exact", number.to_bytes(6, "big").lstrip(b"\0") or b"\0"), (2, "exact", b"\x01")]
    entry = switch.rig.entry("hosts", match, switch.rig.action(action))
    return p4r.Update(type=kind, entity=p4r.Entity(table_entry=entry))


# arbitration


@run
async def test_the_highest_election_id_is_primary_and_everybody_hears_of_a_change(switch, stub):
    first, second = Controller(stub, 1), Controller(stub, 2)
    assert (await first.arbitrate()).status.code == 0
    answer = await second.arbitrate()
    assert (answer.status.code, answer.election_id.low) == (0, 2)
    notice = await first.arbitration()
    assert (notice.status.code, notice.election_id.low) == (6, 2)
    second.stream.cancel()
    notice = await first.arbitration()
    assert (notice.status.code, notice.election_id.low) == (5, 2), "no primary until somebody has 2 or more"
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "no controller is primary"):
        await first.configure(switch.config())


@run
async def test_a_controller_without_an_election_id_is_a_backup(switch, stub):
    await primary(switch, stub, config=False)
    backup = Controller(stub, None)
    assert (await backup.arbitrate()).status.code == 6
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "found election id none; the primary's is 1"):
        await backup.configure(switch.config())


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"device_id": 6}, grpc.StatusCode.NOT_FOUND, "found device id 6; expected 5"),
        ({"role": {"name": "stats"}}, grpc.StatusCode.UNIMPLEMENTED, "found role 'stats'; expected none"),
    ],
)
def test_a_stream_for_another_device_or_role_ends_with_the_reason(fields, code, text):
    @run
    async def check(switch, stub):
        controller = Controller(stub)
        async with refused(code, text):
            await controller.arbitrate(**fields)

    check()


@run
async def test_an_election_id_that_another_has_ends_the_stream(switch, stub):
    await primary(switch, stub, config=False)
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "found election id 1 of another controller"):
        await Controller(stub, 1).arbitrate()


# pipeline configs


@run
async def test_without_a_pipeline_there_is_nothing_to_write_or_read(switch, stub):
    controller = await primary(switch, stub, config=False)
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "found no pipeline"):
        await controller.write(host(switch, 1))
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "found no pipeline"):
        await controller.read(p4r.Entity(table_entry={}))
    answer = await stub.GetForwardingPipelineConfig(p4r.GetForwardingPipelineConfigRequest(device_id=DEVICE))
    assert not answer.HasField("config")


@run
async def test_a_config_comes_back_in_the_parts_that_were_asked_for(switch, stub):
    controller = await primary(switch, stub, config=False)
    config = switch.config(cookie=77)
    await controller.configure(config)

    async def get(kind):
        request = p4r.GetForwardingPipelineConfigRequest(device_id=DEVICE, response_type=kind)
        return (await stub.GetForwardingPipelineConfig(request)).config

    kinds = p4r.GetForwardingPipelineConfigRequest
    assert await get(kinds.ALL) == config
    assert await get(kinds.COOKIE_ONLY) == p4r.ForwardingPipelineConfig(cookie={"cookie": 77})
    assert (await get(kinds.P4INFO_AND_COOKIE)).p4_device_config == b""
    assert not (await get(kinds.DEVICE_CONFIG_AND_COOKIE)).HasField("p4info")


@run
async def test_verify_changes_nothing_and_saved_configs_wait_for_their_commit(switch, stub):
    controller = await primary(switch, stub)
    await controller.write(host(switch, 1))
    running = switch.plane.forwarding
    await controller.configure(switch.config(), SetConfig.VERIFY)
    assert switch.plane.loaded[-1].closed and len(await controller.read(p4r.Entity(table_entry={}))) == 2
    await controller.configure(switch.config(cookie=2), SetConfig.VERIFY_AND_SAVE)
    assert switch.plane.forwarding is running and not running.closed
    await controller.write(host(switch, 2), host(switch, 3))
    assert len(await controller.read(p4r.Entity(table_entry={}))) == 3, "of the saved one"
    await controller.configure(None, SetConfig.COMMIT)
    assert switch.plane.forwarding is switch.plane.loaded[-1] and running.closed
    async with refused(grpc.StatusCode.NOT_FOUND, "found no saved config"):
        await controller.configure(None, SetConfig.COMMIT)


@run
async def test_reconciling_keeps_what_was_written(switch, stub):
    controller = await primary(switch, stub)
    await controller.write(host(switch, 1), *extern_updates(switch))
    everything = [
        p4r.Entity(**{name: {}})
        for name in (
            "table_entry",
            "counter_entry",
            "register_entry",
            "meter_entry",
            "packet_replication_engine_entry",
            "digest_entry",
            "action_profile_member",
        )
    ]
    before = await controller.read(*everything)
    await controller.configure(switch.config(), SetConfig.RECONCILE_AND_COMMIT)
    assert await controller.read(*everything) == before
    await controller.configure(switch.config())
    assert len(await controller.read(*everything)) < len(before)


@run
async def test_reconciling_with_a_program_that_lacks_a_table_keeps_the_old_one_if_the_table_is_in_use(switch, stub):
    controller = await primary(switch, stub)
    running = switch.plane.forwarding
    smaller = switch.config(Rig(handmade.program(tables=(handmade.lpm, handmade.fixed))).bundle())
    await controller.write(host(switch, 1))
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "the forwarding state cannot be kept: found table"):
        await controller.configure(smaller, SetConfig.RECONCILE_AND_COMMIT)
    assert switch.plane.forwarding is running and not running.closed and switch.plane.loaded[-1].closed
    await controller.write(host(switch, 1, p4r.Update.DELETE))
    await controller.configure(smaller, SetConfig.RECONCILE_AND_COMMIT)
    assert running.closed


def extern_updates(switch):
    info = switch.rig.info
    modify, insert = p4r.Update.MODIFY, p4r.Update.INSERT
    replicas = [{"port": b"\x01", "instance": 1}, {"port": b"\x02", "instance": 1}]
    entities = [
        (
            modify,
            {
                "counter_entry": {
                    "counter_id": info.counters[0].preamble.id,
                    "index": {"index": 3},
                    "data": {"packet_count": 4, "byte_count": 5},
                }
            },
        ),
        (
            modify,
            {
                "register_entry": {
                    "register_id": info.registers[0].preamble.id,
                    "index": {"index": 1},
                    "data": {"bitstring": b"\x09"},
                }
            },
        ),
        (
            modify,
            {
                "meter_entry": {
                    "meter_id": info.meters[0].preamble.id,
                    "index": {"index": 2},
                    "config": {"cir": 1, "cburst": 2, "pir": 3, "pburst": 4},
                }
            },
        ),
        (
            insert,
            {
                "packet_replication_engine_entry": {
                    "multicast_group_entry": {"multicast_group_id": 9, "replicas": replicas}
                }
            },
        ),
        (
            insert,
            {
                "packet_replication_engine_entry": {
                    "clone_session_entry": {"session_id": 1, "replicas": replicas, "packet_length_bytes": 128}
                }
            },
        ),
        (insert, {"digest_entry": {"digest_id": info.digests[0].preamble.id, "config": {"max_list_size": 1}}}),
        (
            insert,
            {
                "action_profile_member": {
                    "action_profile_id": info.action_profiles[0].preamble.id,
                    "member_id": 1,
                    "action": switch.rig.action("drop").action,
                }
            },
        ),
    ]
    return [p4r.Update(type=kind, entity=p4r.Entity(**entity)) for kind, entity in entities]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "expected the .bundle file"),
        (b"\x00" * 100, "found 100 bytes that are no bundle"),
        (b"PK\x05\x06" + bytes(18), "found 0 files *.layout.json"),
    ],
)
def test_a_device_config_that_is_no_bundle_is_refused_and_the_switch_goes_on(data, text):
    @run
    async def check(switch, stub):
        controller = await primary(switch, stub)
        config = switch.config()
        config.p4_device_config = data
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, text):
            await controller.configure(config)
        await controller.write(host(switch, 1))

    check()


@run
async def test_a_program_that_the_kernel_refuses_is_refused_with_its_words(switch, stub):
    controller = await primary(switch, stub)
    bad = replace(switch.rig.bundle(), object=b"bad")
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "the kernel refuses the program: a.p4:3:5"):
        await controller.configure(switch.config(bad))
    other = switch.config()
    other.p4info.tables[0].size = 9
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "found a P4Info that is not the device config's"):
        await controller.configure(other)
    assert not switch.plane.forwarding.closed


# writes


@run
async def test_each_update_of_a_batch_has_its_own_result(switch, stub):
    controller = await primary(switch, stub)
    async with refused(grpc.StatusCode.UNKNOWN, "2 of 3 failed") as found:
        await controller.write(host(switch, 1), host(switch, 1), host(switch, 7, p4r.Update.DELETE))
    details = dict(found.value.trailing_metadata())["grpc-status-details-bin"]
    errors = []
    for any_ in rpc_status.Status.FromString(details).details:
        errors.append(p4r.Error())
        assert any_.Unpack(errors[-1])
    assert [error.canonical_code for error in errors] == [0, 6, 5]
    assert "hosts: an entry with this match and priority is there" in errors[1].message
    assert len(await controller.read(p4r.Entity(table_entry={"table_id": switch.rig.tables["hosts"].preamble.id}))) == 1


@run
async def test_errors_of_a_large_batch_still_reach_the_client(switch, stub):
    controller = await primary(switch, stub)
    async with refused(
        grpc.StatusCode.UNKNOWN, "1 of 2000 failed, number 1999 first: NOT_FOUND: hosts: found no entry"
    ):
        await controller.write(
            *(host(switch, number) for number in range(1999)), host(switch, 1 << 30, p4r.Update.DELETE)
        )


@pytest.mark.parametrize("mode", [p4r.WriteRequest.ROLLBACK_ON_ERROR, p4r.WriteRequest.DATAPLANE_ATOMIC])
def test_atomicity_that_cannot_be_kept_is_refused(mode):
    @run
    async def check(switch, stub):
        controller = await primary(switch, stub)
        async with refused(grpc.StatusCode.UNIMPLEMENTED, "expected CONTINUE_ON_ERROR"):
            await controller.write(host(switch, 1), atomicity=mode)

    check()


@run
async def test_only_the_primary_writes_and_anybody_reads(switch, stub):
    controller = await primary(switch, stub)
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "the primary's is 1"):
        await controller.write(host(switch, 1), election_id=p4r.Uint128(low=9))
    async with refused(grpc.StatusCode.NOT_FOUND, "found device id 8"):
        await controller.write(host(switch, 1), device_id=8)
    assert len(await Controller(stub, 3).read(p4r.Entity(table_entry={}))) == 1


@run
async def test_a_hundred_thousand_exact_entries_are_held_and_read_back(switch, stub):
    controller = await primary(switch, stub)
    for start in range(0, 100_000, 10_000):
        await controller.write(*(host(switch, number) for number in range(start, start + 10_000)))
    table = switch.rig.tables["hosts"].preamble.id
    assert len(await controller.read(p4r.Entity(table_entry={"table_id": table}))) == 100_000
    async with refused(grpc.StatusCode.UNKNOWN, "RESOURCE_EXHAUSTED: hosts: found 100000 entries"):
        await controller.write(host(switch, 100_000))


@run
async def test_a_read_says_which_of_its_requests_failed_and_answers_the_others(switch, stub):
    controller = await primary(switch, stub)
    stream = stub.Read(
        p4r.ReadRequest(device_id=DEVICE, entities=[{"table_entry": {}}, {}, {"table_entry": {"table_id": 3}}])
    )
    assert len((await stream.read()).entities) == 1
    async with refused(grpc.StatusCode.UNKNOWN, "2 of 3 failed"):
        await stream.read()
    await controller.write(host(switch, 1))


# packets, digests


@run
async def test_packets_come_and_go_with_their_metadata(switch, stub):
    controller = await primary(switch, stub)
    switch.packet_in(b"\x01\x80" + b"frame")
    packet = (await controller.next()).packet
    assert packet.payload == b"frame"
    assert [(each.metadata_id, each.value) for each in packet.metadata] == [(1, b"\x03"), (2, b"\x00")]
    metadata = [{"metadata_id": 1, "value": b"\x05"}]
    await controller.stream.write(p4r.StreamMessageRequest(packet={"payload": b"x" * 20, "metadata": metadata}))
    await controller.stream.write(p4r.StreamMessageRequest(packet={"payload": b"x" * 20}))
    error = (await controller.next()).error
    assert error.canonical_code == 3 and "found no metadata 1 (egress_port)" in error.message
    assert error.packet_out.packet_out.payload == b"x" * 20
    assert switch.sent == [b"\x02\x80" + b"x" * 20]


@run
async def test_a_backup_may_not_send_packets(switch, stub):
    await primary(switch, stub)
    backup = Controller(stub, None)
    await backup.arbitrate()
    await backup.stream.write(p4r.StreamMessageRequest(packet={"payload": b"x" * 20}))
    error = (await backup.next()).error
    assert error.canonical_code == 7
    assert not switch.sent


# garbage


@run
async def test_garbage_ends_with_an_error_and_harms_nobody(switch, stub):
    controller = await primary(switch, stub)
    reader, writer = await asyncio.open_connection(*switch.address.split(":"))
    writer.write(b"\xff" * 4096)
    await writer.drain()
    await asyncio.wait_for(reader.read(), 10)
    writer.close()
    async with grpc.aio.insecure_channel(switch.address) as channel:
        for method in ("Write", "SetForwardingPipelineConfig", "GetForwardingPipelineConfig", "Capabilities"):
            call = channel.unary_unary(f"/p4.v1.P4Runtime/{method}")
            with pytest.raises(grpc.aio.AioRpcError):
                await call(b"\xff\xfe\xfd garbage")
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/p4.v1.P4Runtime/Nothing")(b"")
    with socket.create_connection(switch.address.split(":")) as half:
        half.send(b"PRI * HTTP/2.0\r\n")
    await controller.stream.write(p4r.StreamMessageRequest())
    assert (await controller.next()).error.canonical_code == 12
    await controller.write(host(switch, 1))
    capabilities = await stub.Capabilities(p4r.CapabilitiesRequest())
    assert capabilities.p4runtime_api_version == "1.3.0"


def test_p4info_of_the_handmade_program_is_what_the_switch_gives_back():
    @run
    async def check(switch, stub):
        await primary(switch, stub)
        request = p4r.GetForwardingPipelineConfigRequest(device_id=DEVICE)
        info = (await stub.GetForwardingPipelineConfig(request)).config.p4info
        assert isinstance(info, p4i.P4Info) and info == switch.rig.info

    check()
