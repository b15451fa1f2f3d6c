"""The switch in the kernel, programmed by finsy, with frames at its ports."""

import asyncio
import random
import signal
import socket
import subprocess
import sys

import pytest
from finsy import (
    P4ActionProfileGroup,
    P4ActionProfileMember,
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
)
from finsy.proto import p4r
from live_rig import (
    CHOOSE,
    CLONE,
    CPU_PORT,
    DEVICE,
    FENCES,
    GROUP,
    LEARN,
    METER,
    PORTS,
    PROGRAMS,
    PROJECT,
    PUNT,
    REGISTER,
    ROUTE,
    SPREAD,
    Network,
    SwitchProcess,
    connected,
    frame,
    host,
)

from dataplane.compiler.compiled import compile_program

pytestmark = [pytest.mark.p4, pytest.mark.net]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    compile_program(PROGRAMS / "live.p4").bundle.write(folder)
    return folder


@pytest.fixture(scope="module")
def network():
    made = Network()
    yield made
    made.close()


@pytest.fixture(scope="module")
def switch(network, tmp_path_factory):
    """Without a program: every test puts it there anew."""
    process = SwitchProcess(network, tmp_path_factory.mktemp("switch"))
    yield process
    assert process.stop() == 0, process.said()


@pytest.fixture
def run(network, switch, compiled):
    """Runs a coroutine function with a client whose pipeline is fresh."""

    def go(test):
        async def whole():
            async with connected(network, switch, compiled) as live:
                await test(live)

        asyncio.run(asyncio.wait_for(whole(), 60))

    return go


def test_an_entry_holds_for_the_next_packet_and_its_deletion_too(run):
    async def check(live):
        assert await live.outputs(frame(dst=7)) == []
        await live.insert(host(7, 2))
        assert await live.outputs(frame(dst=7)) == [(2, frame(dst=7))]
        await live.modify(host(7, 3))
        assert await live.outputs(frame(dst=7)) == [(3, frame(dst=7))]
        await live.delete(host(7, 3))
        assert await live.outputs(frame(dst=7)) == []
        await live.modify(P4TableEntry("hosts", is_default_action=True, action=P4TableAction("counted", port=2)))
        assert await live.outputs(frame(dst=7)) == [(2, frame(dst=7))]
        await live.modify(P4TableEntry("hosts", is_default_action=True))
        assert await live.outputs(frame(dst=7)) == []

    run(check)


@pytest.mark.parametrize("size", [14, 60, 1514])
def test_frames_of_every_length_pass_unchanged(run, size):
    async def check(live):
        await live.insert(host(7, 2))
        data = ((7).to_bytes(6, "big") + bytes(6) + b"\x08\x00" + bytes(range(256)) * 6)[:size]
        assert await live.outputs(data) == [(2, data)]

    run(check)


def test_the_longest_prefix_wins(run):
    async def check(live):
        for prefix, length, port in ((0x0A000000, 8, 2), (0x0A010000, 16, 3), (0x0A010100, 24, 1)):
            match = P4TableMatch(destination=(prefix, length))
            await live.insert(P4TableEntry("routes", match=match, action=P4TableAction("send", port=port)))
        for destination, port in ((0x0A020000, 2), (0x0A01FF00, 3), (0x0A010101, 1)):
            data = frame(ROUTE, destination=destination)
            assert await live.outputs(data) == [(port, data)]
        assert await live.outputs(frame(ROUTE, destination=0x0B000000)) == []
        await live.insert(P4TableEntry("routes", match=P4TableMatch(), action=P4TableAction("send", port=2)))
        data = frame(ROUTE, destination=0x0B000000)
        assert await live.outputs(data) == [(2, data)]

    run(check)


def random_rules(chance, count):
    rules = []
    for priority in chance.sample(range(1, 1000), count):
        mask = chance.choice([0, 0xFF000000, 0xFFFF0000, 0x000000FF])
        match = {}
        if mask:
            match["source"] = (chance.getrandbits(32) & 0x03030303 & mask, mask)
        length = chance.choice([0, 4, 8])
        if length:
            match["destination"] = (chance.getrandbits(2) << 28 & (0xFFFFFFFF << (32 - length)), length)
        low, high = sorted(chance.choices(range(256), k=2))
        if (low, high) != (0, 255) and chance.random() < 0.7:
            match["tos"] = (low, high)
        if chance.random() < 0.3:
            match["index"] = chance.randrange(3)
        rules.append((priority, match, chance.choice(PORTS)))
    return rules


def chosen(rules, source, destination, tos, index):
    """The port of the best rule that matches, by the rules' own words."""
    for _, match, port in sorted(rules, key=lambda rule: -rule[0]):
        value, mask = match.get("source", (0, 0))
        prefix, length = match.get("destination", (0, 0))
        low, high = match.get("tos", (0, 255))
        if (
            source & mask == value
            and destination >> (32 - length) == prefix >> (32 - length)
            and low <= tos <= high
            and match.get("index", index) == index
        ):
            return port
    return None


def as_entry(rule):
    priority, match, port = rule
    return P4TableEntry("rules", match=P4TableMatch(match), action=P4TableAction("send", port=port), priority=priority)


@pytest.mark.parametrize("seed", range(3))
def test_rules_of_mixed_kinds_choose_as_their_priorities_say(run, seed):
    async def check(live):
        chance = random.Random(seed)
        rules = random_rules(chance, 60)
        await live.insert(*map(as_entry, rules))
        for turn in range(3):
            for _ in range(60):
                fields = {
                    "source": chance.getrandbits(32) & 0x03030303,
                    "destination": chance.getrandbits(2) << 28,
                    "tos": chance.randrange(256),
                    "index": chance.randrange(4),
                }
                data = frame(CHOOSE, **fields)
                port = chosen(rules, **fields)
                assert await live.outputs(data) == ([(port, data)] if port else []), (turn, fields)
            gone, rules = rules[:15], rules[15:]
            await live.delete(*map(as_entry, gone))

    run(check)


def test_a_rule_is_found_at_every_moment_while_others_come_and_go(run):
    async def check(live):
        match = P4TableMatch(destination=(0x0A000000, 8))
        await live.insert(P4TableEntry("rules", match=match, action=P4TableAction("send", port=2), priority=5))
        data = [frame(CHOOSE, destination=0x0A000001, payload=number.to_bytes(4, "big")) for number in range(6000)]
        received = []

        async def listen():
            while len(received) < len(data):
                received.append(await live.receive(2))

        listener = asyncio.create_task(listen())

        async def churn():
            turn = 0
            while not listener.done():
                turn += 1
                others = [
                    P4TableEntry(
                        "rules",
                        match=P4TableMatch(source=(1 << bit, 1 << bit)),
                        action=P4TableAction("drop"),
                        priority=10 + (bit * 7 + turn) % 50,
                    )
                    for bit in range(20)
                ]
                await live.insert(*others)
                await live.delete(*others)
            return turn

        churning = asyncio.create_task(churn())
        for each in data:
            live.send(each)
            await asyncio.sleep(0)
        await listener
        assert await churning > 1
        assert received == data

    run(check)


def test_counters_of_entries_count_packets_and_bytes(run):
    async def check(live):
        await live.insert(host(7, 2))
        for size in (60, 100):
            await live.outputs(frame(dst=7, size=size))
        (read,) = await live.read(
            P4DirectCounterEntry("hits", table_entry=P4TableEntry("hosts", match=P4TableMatch(dst=7)))
        )
        assert read.data == P4CounterData(packet_count=2, byte_count=160)
        (seen,) = await live.read(P4CounterEntry("seen", index=1))
        assert seen.packet_count == 2 + 2 * len(PORTS)

    run(check)


def test_idle_entries_are_told_with_their_metadata(run):
    async def check(live):
        reader = asyncio.create_task(anext(live.client.read_idle_timeouts()))
        await live.insert(host(7, 2, idle_timeout_ns=200_000_000, metadata=b"pin"))
        notice = await asyncio.wait_for(reader, 10)
        (entry,) = notice.table_entry
        assert (entry.match["dst"], entry.metadata, entry.idle_timeout_ns) == (7, b"pin", 200_000_000)
        await live.outputs(frame(dst=7))
        (read,) = await live.read([P4TableEntry("hosts", match=P4TableMatch(dst=7), time_since_last_hit=0)])
        assert 0 < read.time_since_last_hit < 10**9

    run(check)


def test_a_meter_colours_what_comes_too_fast(run):
    async def check(live):
        assert await live.outputs(frame(METER, index=1)) == [(2, frame(METER, index=1))]
        await live.modify(P4MeterEntry("limit", index=1, config=P4MeterConfig(cir=1, cburst=2, pir=1, pburst=4)))
        ports = []
        for _ in range(6):
            ports += [port for port, _ in await live.outputs(frame(METER, index=1))]
        assert ports[:4] == [2, 2, 3, 3] and len(ports) < 6
        await live.modify(P4MeterEntry("limit", index=1))
        assert await live.outputs(frame(METER, index=1)) == [(2, frame(METER, index=1))]

    run(check)


def test_a_meter_of_an_entry_comes_and_goes_with_its_configuration(run):
    async def check(live):
        entry = P4TableEntry(
            "routes", match=P4TableMatch(destination=(0x0A000000, 8)), action=P4TableAction("send", port=2)
        )
        entry.meter_config = P4MeterConfig(cir=1, cburst=1, pir=1, pburst=1)
        await live.insert(entry)
        data = frame(ROUTE, destination=0x0A000001)
        counts = [len(await live.outputs(data)) for _ in range(4)]
        assert counts[0] == 1 and sum(counts) < 4
        entry.meter_config = None
        await live.modify(entry)
        assert [len(await live.outputs(data)) for _ in range(4)] == [1] * 4

    run(check)


def test_registers_are_written_for_the_program_and_read_from_it(run):
    async def check(live):
        await live.modify(P4RegisterEntry("wanted", index=4, data=3))
        data = frame(REGISTER, index=4)
        assert await live.outputs(data, port=2) == [(3, data)]
        (read,) = await live.read(P4RegisterEntry("wanted", index=7))
        assert read.data == 2, "the port by which it came in"

    run(check)


def test_a_multicast_group_sends_to_each_of_its_ports(run):
    async def check(live):
        data = frame(GROUP, index=9)
        assert await live.outputs(data) == []
        await live.insert(P4MulticastGroupEntry(9, replicas=(1, 2, 3)))
        assert sorted(await live.outputs(data)) == [(port, data) for port in PORTS]
        await live.modify(P4MulticastGroupEntry(9, replicas=(3,)))
        assert await live.outputs(data) == [(3, data)]
        await live.delete(P4MulticastGroupEntry(9))
        assert await live.outputs(data) == []

    run(check)


def test_a_clone_goes_to_the_controller_cut_to_its_length(run):
    async def check(live):
        await live.insert(P4CloneSessionEntry(4, replicas=(CPU_PORT,), packet_length_bytes=40))
        reader = asyncio.create_task(anext(live.client.read_packets()))
        data = frame(CLONE, index=4, size=200)
        assert await live.outputs(data) == [(2, data)]
        packet = await asyncio.wait_for(reader, 10)
        assert packet["ingress_port"] == 1
        assert packet.payload == data[: len(packet.payload)] and 38 <= len(packet.payload) <= 40

    run(check)


def test_packets_come_to_the_controller_and_go_where_it_says(run):
    async def check(live):
        reader = asyncio.create_task(anext(live.client.read_packets()))
        assert await live.outputs(frame(PUNT), port=3) == []
        packet = await asyncio.wait_for(reader, 10)
        assert (packet["ingress_port"], packet.payload) == (3, frame(PUNT))
        await live.client.write([P4PacketOut(frame(payload=b"out"), egress_port=2, _pad=0)])
        assert await live.receive(2) == frame(payload=b"out")

    run(check)


def test_what_was_learned_is_told_once_until_it_is_acknowledged(run):
    async def check(live):
        await live.insert(P4DigestEntry("learned_t", max_list_size=2, max_timeout_ns=10**8, ack_timeout_ns=10**10))
        digests = live.client.read_digests("learned_t")
        for source in (0x11, 0x22, 0x11):
            await live.outputs(frame(LEARN, src=source), port=2)
        first = await asyncio.wait_for(anext(digests), 10)
        assert list(first) == [{"address": 0x11, "port": 2}, {"address": 0x22, "port": 2}]
        await live.outputs(frame(LEARN, src=0x33))
        second = await asyncio.wait_for(anext(digests), 10)
        assert list(second) == [{"address": 0x33, "port": 1}], "after its time, alone"
        await live.client.write([P4DigestListAck(first.digest_id, first.list_id)])
        third = asyncio.create_task(anext(digests))
        while not third.done():  # the acknowledgement is under way
            await live.outputs(frame(LEARN, src=0x11), port=2)
        assert list(third.result()) == [{"address": 0x11, "port": 2}]

    run(check)


def test_a_group_spreads_over_its_members_by_weight(run):
    async def check(live):
        members = [
            P4ActionProfileMember("selector", member_id=port, action=P4TableAction("send", port=port))
            for port in (2, 3)
        ]
        await live.insert(*members)
        group = P4ActionProfileGroup("selector", group_id=1, members=[P4Member(2, weight=1), P4Member(3, weight=3)])
        await live.insert(group)
        entry = P4TableEntry("spread", match=P4TableMatch(index=5), action=P4IndirectAction(group_id=1))
        await live.insert(entry)
        chance = random.Random(1)
        flows = [frame(SPREAD, index=5, source=chance.getrandbits(32)) for _ in range(100)]
        ports = [await port_of(live, flow) for flow in flows]
        assert 60 <= ports.count(3) <= 90 and set(ports) == {2, 3}
        again = [await port_of(live, flow) for flow in flows]
        assert again == ports, "a flow keeps its member"
        await live.modify(P4TableEntry("spread", match=P4TableMatch(index=5), action=P4IndirectAction(member_id=2)))
        assert await port_of(live, frame(SPREAD, index=5)) == 2

    run(check)


def test_a_one_shot_set_spreads_too(run):
    async def check(live):
        action = P4IndirectAction([(1, P4TableAction("send", port=2)), (1, P4TableAction("send", port=3))])
        await live.insert(P4TableEntry("spread", match=P4TableMatch(index=5), action=action))
        ports = {await port_of(live, frame(SPREAD, index=5, source=source)) for source in range(64)}
        assert ports == {2, 3}

    run(check)


async def port_of(live, data):
    ((port, _),) = await live.outputs(data)
    return port


def test_a_hundred_thousand_entries_are_held(run):
    async def check(live):
        count = 100_000 - len(FENCES)
        for start in range(0, count, 10_000):
            await live.insert(*(host(0x10_0000 + each, 2) for each in range(start, min(start + 10_000, count))))
        for each in (0, count // 2, count - 1):
            data = frame(dst=0x10_0000 + each)
            assert await live.outputs(data) == [(2, data)]

    run(check)


# swaps, disappearing interfaces, restarts, garbage


def request(live, action, folder):
    """A pipeline config by hand: finsy itself only verifies and commits."""
    config = p4r.ForwardingPipelineConfig(p4_device_config=(folder / "live.bundle").read_bytes())
    config.p4info.ParseFromString((folder / "live.p4info.bin").read_bytes())
    return p4r.SetForwardingPipelineConfigRequest(
        device_id=DEVICE, election_id=p4r.Uint128(low=live.client.election_id), action=action, config=config
    )


def test_no_packet_is_lost_while_the_pipeline_is_swapped_under_it(run, compiled):
    async def check(live):
        await live.insert(host(7, 2))
        data = [frame(dst=7, payload=number.to_bytes(4, "big")) for number in range(8000)]
        received = []

        async def listen():
            while len(received) < len(data):
                received.append(await live.receive(2))

        listener = asyncio.create_task(listen())

        async def swap():
            stub, turns = live.client._p4client._stub, 0
            while not listener.done():
                await stub.SetForwardingPipelineConfig(
                    request(live, p4r.SetForwardingPipelineConfigRequest.RECONCILE_AND_COMMIT, compiled)
                )
                turns += 1
            return turns

        swapping = asyncio.create_task(swap())
        for each in data:
            live.send(each)
            await asyncio.sleep(0)
        await listener
        assert await swapping > 1
        assert received == data
        (read,) = await live.read(P4TableEntry("hosts", match=P4TableMatch(dst=7), counter_data=P4CounterData()))
        assert read.action == P4TableAction("counted", port=2)

    run(check)


def test_an_interface_that_disappears_and_comes_back_is_a_port_again(run):
    async def check(live):
        await live.insert(host(7, 3), host(8, 2))
        live.network.unplug(3)
        await live.switch.says("port 3: interface v3 has gone")
        live.send(frame(dst=7))
        live.send(frame(dst=8))
        assert await live.receive(2) == frame(dst=8), "the others go on"
        said = live.switch.said().count("v3 is there again")
        live.network.plug(3)
        while live.switch.said().count("v3 is there again") == said:
            await asyncio.sleep(0.01)
        assert await live.outputs(frame(dst=7)) == [(3, frame(dst=7))]
        assert await live.outputs(frame(dst=8), port=3) == [(2, frame(dst=8))]

    run(check)


def test_garbage_for_the_server_does_not_disturb_packets(run):
    async def check(live):
        await live.insert(host(7, 2))
        path = live.switch.address.removeprefix("unix:")
        for data in (b"\xff" * 5000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(range(256)) * 20, b""):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(data)
        assert await live.outputs(frame(dst=7)) == [(2, frame(dst=7))]
        await live.delete(host(7, 2))

    run(check)


def test_packets_are_forwarded_without_the_process_and_a_new_one_takes_over(compiled, tmp_path):
    """A switch that is killed leaves its program on the ports; the next one replaces it."""
    network = Network()
    try:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        first = SwitchProcess(network, tmp_path / "a", compiled)

        async def before():
            async with connected(network, first, compiled, force=False) as live:
                await live.insert(host(7, 2))
                assert await live.outputs(frame(dst=7)) == [(2, frame(dst=7))]
                first.stop(signal.SIGKILL)
                assert await live.outputs(frame(dst=7)) == [(2, frame(dst=7))]

        asyncio.run(asyncio.wait_for(before(), 60))
        second = SwitchProcess(network, tmp_path / "b", compiled, "--pcap", str(tmp_path / "captures"))
        assert "ports 1=v1 2=v2 3=v3 510=p4cpu0" in second.ready

        async def after():
            async with connected(network, second, compiled, force=False) as live:
                assert await live.outputs(frame(dst=7)) == []
                await live.insert(host(7, 3))
                assert await live.outputs(frame(dst=7)) == [(3, frame(dst=7))]

        asyncio.run(asyncio.wait_for(after(), 60))
        assert second.stop() == 0
        assert frame(dst=7) in (tmp_path / "captures/port1-v1.pcapng").read_bytes()
        assert frame(dst=7) in (tmp_path / "captures/port3-v3.pcapng").read_bytes()
        assert frame(dst=7) not in (tmp_path / "captures/port2-v2.pcapng").read_bytes()
        shown = network.output("tc", "filter", "show", "dev", "v1", "ingress")
        assert shown == "", "it takes its program along when it is told to end"
    finally:
        network.close()


def test_offloads_are_switched_off_at_both_ends_and_superpackets_that_still_come_are_counted(compiled, tmp_path):
    network = Network()
    try:
        process = SwitchProcess(network, tmp_path, compiled)
        for interface in ("v1", "e1"):
            features = network.output("ethtool", "-k", interface)
            for name in (
                "\ttx-tcp-segmentation",
                "\ttx-tcp6-segmentation",
                "generic-segmentation-offload",
                "tx-checksumming",
            ):
                assert f"\n{name}: off" in features, (interface, name)
        network.output("ethtool", "-K", "e1", "tx", "on", "sg", "on", "tso", "on")
        network.superpacket(1)
        assert process.stop() == 0
        assert "offloaded 1" in (tmp_path / "log").read_text()
    finally:
        network.close()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--port", "1=nothere"], 2, "--port 1=nothere: found no interface nothere; there are: "),
        (["--port", "v1"], 2, "--port: found 'v1'; expected NUMBER=INTERFACE"),
        (["--port", "511=v1"], 2, "expected NUMBER=INTERFACE with a number from 0 to 510"),
        (["--port", "1=v1", "--port", "1=v2"], 2, "found port 1 twice"),
        (["--port", "1=v1", "--port", "2=v1"], 2, "found interface v1 twice"),
        (["--grpc", "nosuch.invalid:1"], 1, "--grpc nosuch.invalid:1: cannot listen"),
        (["--grpc", "127.0.0.1:99999"], 2, "--grpc: found '127.0.0.1:99999'; expected HOST:PORT"),
    ],
)
def test_what_cannot_be_started_says_why(network, options, status, message):
    command = [*network.inside(), sys.executable, "-m", "dataplane", "run", *options]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr


def test_a_vlan_tag_is_part_of_the_frame(run):
    """The kernel takes tags out of frames before tc; the program must see them where they were."""

    async def check(live):
        await live.insert(host(7, 2))
        untagged = frame(PUNT, dst=7)
        for tags in (b"\x81\x00\x20\x05", b"\x88\xa8\x00\x07\x81\x00\x20\x05"):
            tagged = untagged[:12] + tags + untagged[12:]
            assert await live.outputs(tagged) == [(2, tagged)]

    run(check)
