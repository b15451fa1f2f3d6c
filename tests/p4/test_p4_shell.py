"""p4runtime-shell, unmodified, against the server: scripts of its own words."""

import asyncio
import sys
from pathlib import Path

import pytest
from live_rig import DEVICE, PROGRAMS, Live, Network, SwitchProcess, frame
from shell_environment import environment, run_shell

from dataplane.compiler.compiled import compile_program

sys.path.insert(0, str(Path(__file__).parents[1] / "component"))

from p4_memory_switch import memory_switch


@pytest.fixture(scope="session")
def python():
    return environment()


def session(python, script, tmp_path):
    """What a script prints that pushes the handmade pipeline first; and the switch as it is then."""

    async def whole():
        async with memory_switch() as switch:
            switch.rig.bundle().write(tmp_path)
            files = (tmp_path / "handmade.p4info.txt", tmp_path / "handmade.bundle")
            said = await asyncio.to_thread(run_shell, python, script, tmp_path, 5, switch.address, *files)
            return said, switch

    return asyncio.run(asyncio.wait_for(whole(), 90))


@pytest.mark.timeout(400)
def test_tables_of_every_match_kind(python, tmp_path):
    script = """
te = table_entry["ipv4_lpm"](action="ipv4_forward")
te.match["dst"] = "10.1.0.0/16"
te.action["dstAddr"] = "00:00:00:00:00:0a"
te.action["port"] = "3"
te.insert()
te.read(lambda entry: print("lpm", entry.match["hdr.ipv4.dst"].lpm.prefix_len, entry.action.action_name))
te.action["port"] = "4"
te.modify()
te = table_entry["hosts"](action="drop")
te.match["hdr.ethernet.dstAddr"] = "00:00:00:00:00:05"
te.match["port"] = "1"
te.insert()
te = table_entry["acl"](action="drop", priority=7)
te.match["src"] = "10.0.0.0 &&& 255.0.0.255"
te.match["tos"] = "3..17"
te.match["meta.port"] = "4"
te.insert()
te = table_entry["ipv4_lpm"](action="drop", is_default=True)
te.modify()
print("entries", sum(1 for name in ("ipv4_lpm", "hosts", "acl") for _ in table_entry[name].read()))
table_entry["hosts"].read(lambda entry: entry.delete())
print("hosts", sum(1 for _ in table_entry["hosts"].read()))
try:
    te = table_entry["acl"](action="drop", priority=7)
    te.match["src"] = "10.0.0.0 &&& 255.0.0.255"
    te.match["tos"] = "3..17"
    te.match["meta.port"] = "4"
    te.insert()
except Exception as error:
    print("refused", error)
"""
    said, switch = session(python, script, tmp_path)
    assert "lpm 16 MyIngress.ipv4_forward" in said
    assert "entries 3" in said and "hosts 0" in said
    assert "ALREADY_EXISTS, 'acl: an entry with this match and priority is there" in said
    (record,) = switch.plane.forwarding.maps[switch.rig.place("ipv4_lpm").entries].content.values()
    assert record[16] == 4


@pytest.mark.timeout(400)
def test_counters_meters_and_the_replication_engine(python, tmp_path):
    script = """
ce = counter_entry["seen"]
ce.index = 3
ce.packet_count = 9
ce.modify()
ce.read(lambda entry: print("seen", entry.index, entry.packet_count))
me = meter_entry["limits"]
me.index = 2
me.cir, me.cburst, me.pir, me.pburst = 1, 2, 3, 4
me.modify()
me.read(lambda entry: print("limits", entry.cir, entry.pburst))
te = table_entry["ipv4_lpm"](action="drop")
te.match["dst"] = "10.0.0.0/8"
te.counter_data.packet_count = 5
te.insert()
dc = direct_counter_entry["hits"]
dc.table_entry.match["dst"] = "10.0.0.0/8"
dc.read(lambda entry: print("hits", entry.packet_count))
group = multicast_group_entry(1)
group.add(1, 1).add(2, 1)
group.insert()
group.read(lambda entry: print("group", len(entry.replicas)))
clone = clone_session_entry(7)
clone.add(3, 1)
clone.packet_length_bytes = 128
clone.insert()
clone.read(lambda entry: print("clone", entry.packet_length_bytes))
group.delete()
"""
    said, _ = session(python, script, tmp_path)
    for line in ("seen 3 9", "limits 1 4", "hits 5", "group 2", "clone 128"):
        assert line in said, said


@pytest.mark.timeout(400)
def test_members_groups_and_one_shot_sets(python, tmp_path):
    script = """
for number in (1, 2):
    member = action_profile_member["selector"](member_id=number, action="ipv4_forward")
    member.action["dstAddr"] = "00:00:00:00:00:0a"
    member.action["port"] = str(number)
    member.insert()
group = action_profile_group["selector"](group_id=1)
group.add(1, 1)
group.add(2, 3)
group.insert()
te = table_entry["balance"](group_id=1)
te.match["hdr.ipv4.dst"] = "10.0.0.1"
te.insert()
te.read(lambda entry: print("balance", entry.group_id))
te.delete()
group.delete()
for number in (1, 2):
    action_profile_member["selector"](member_id=number).delete()
te = table_entry["balance"]
te.match["hdr.ipv4.dst"] = "10.0.0.2"
action = Action("drop")
te.oneshot.add(action, weight=2)
te.insert()
print("entries", sum(1 for _ in table_entry["balance"].read()))
"""
    said, _ = session(python, script, tmp_path)
    assert "balance 1" in said and "entries 1" in said, said


@pytest.mark.timeout(400)
def test_packets_out(python, tmp_path):
    script = """
packet = packet_out()
packet.payload = b"x" * 20
packet.metadata["egress_port"] = "5"
packet.metadata["_pad"] = "0"
packet.send()
print(APIVersion())
list(table_entry["hosts"].read())
"""
    said, switch = session(python, script, tmp_path)
    assert switch.sent == [b"\x02\x80" + b"x" * 20]
    assert "1.3.0" in said


@pytest.mark.p4
@pytest.mark.net
@pytest.mark.timeout(400)
def test_a_whole_session_with_a_switch_in_the_kernel(python, tmp_path):
    """It puts a pipeline on a switch without one, writes, and sends a packet; the packets agree."""
    compile_program(PROGRAMS / "live.p4").bundle.write(tmp_path)
    script = """
te = table_entry["hosts"](action="counted")
te.match["dst"] = "7"
te.action["port"] = "2"
te.insert()
packet = packet_out()
packet.payload = bytes.fromhex("%s")
packet.metadata["egress_port"] = "3"
packet.metadata["_pad"] = "0"
packet.send()
print("session over", sum(1 for _ in table_entry["hosts"].read()))
"""
    network = Network()
    try:
        switch = SwitchProcess(network, tmp_path)
        files = (tmp_path / "live.p4info.txt", tmp_path / "live.bundle")
        said = run_shell(python, script % frame(payload=b"out").hex(), tmp_path, DEVICE, switch.address, *files)
        assert "session over 1" in said

        async def packets():
            live = Live(network, switch, None)
            assert await live.receive(3) == frame(payload=b"out")
            live.send(frame(dst=7))
            assert await live.receive(2) == frame(dst=7)

        asyncio.run(asyncio.wait_for(packets(), 20))
        assert switch.stop() == 0
    finally:
        network.close()
