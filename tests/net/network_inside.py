"""Builds the two-site network in a sandbox, with simple flows in place of a controller, and tries it.

Run as `network_inside.py RUN_DIR` by `topologies.sandbox`; prints one JSON object of what was found. With `--stay`
it prints `ready` instead and waits for its end.
"""

import json
import os
import re
import select
import signal
import sys
import time
from ipaddress import IPv6Address
from pathlib import Path

from pyroute2 import IPRoute

from meclab import plan, planning, scenario, topology
from meclab.addressing import GATEWAY_IPV4, GATEWAY_IPV6, GATEWAY_MAC
from meclab.errors import LabError, RunError
from meclab.model import MILLISECOND
from meclab.scenario import LinkChange
from topologies import openvswitch
from topologies.namespaces import network_of
from topologies.network import Network

DEVICES = [{"name": "ue1"}, {"name": "ue2", "ap": "ap2"}]


def make_plan() -> plan.Plan:
    file = scenario.Scenario.model_validate({"scenario": "try", "devices": DEVICES})
    return planning.make(file, topology.two_site(), file.methods[0], "wire")


def install_flows(network: Network, attached: dict[str, str]) -> None:
    """Every address to its node along the plan's paths; the virtual address to the site's own host."""
    targets = [(node.name, node.mac, (node.ipv4, node.ipv6)) for node in network.plan.nodes if node.mac]
    targets += [(attached[d.name], d.mac, (d.ipv4, d.ipv6)) for d in network.plan.devices]
    targets.append(("mec1", network.plan.node("mec1").mac, (network.plan.vip_ipv4, network.plan.vip_ipv6)))
    for switch in network.plan.switches:
        flows = ["table=0,priority=1,in_port=2,actions=output:1"] if switch.role == "ap" else []
        if switch.role == "ap":
            flows.append("table=0,priority=2,cookie=0x77,in_port=1,actions=output:2")
        else:
            for target, mac, addresses in targets:
                port = network.plan.towards[switch.name].get(target)
                for address in addresses:
                    match = f"ipv6,ipv6_dst={address}" if isinstance(address, IPv6Address) else f"ip,nw_dst={address}"
                    flows.append(f"table=0,priority=9,{match},actions=set_field:{mac}->eth_dst,output:{port}")
        for flow in flows:
            openvswitch.run("ovs-ofctl", "-O", "OpenFlow13", "add-flow", switch.name, flow)


def know_the_gateway(network: Network) -> None:
    """Fixed neighbour entries in place of the controller's answers."""
    for part in [*network.plan.devices, *(node for node in network.plan.nodes if node.mac)]:
        with network_of(network.node_pid(part.name)):
            route = IPRoute()
        index = route.link_lookup(ifname=part.interface)[0]
        for gateway in (GATEWAY_IPV4, GATEWAY_IPV6):
            family = 2 if gateway.version == 4 else 10
            route.neigh("replace", dst=str(gateway), lladdr=GATEWAY_MAC, ifindex=index, state=0x80, family=family)
        route.close()


def ping_ms(network: Network, source: str, target: str, count: int = 3) -> float | None:
    """Least RTT of a few pings; none where nothing came back."""
    output = network.mininet[source].cmd(f"ping -n -c {count} -i 0.02 -W 1 {target}")
    found = re.search(r"= ([\d.]+)/", output)
    return float(found[1]) if found else None


def carriers(network: Network) -> list[str]:
    return [network.mininet[node].cmd(f"cat /sys/class/net/{name}/carrier").strip() for node, name in
            (("mec1", "mec1-eth0"), ("edge1", network.plan.link("edge1", "mec1").a.interface))]  # fmt: skip


def await_attached(network: Network, device: str, ap: str) -> None:
    deadline = time.monotonic() + 10
    while network.attachments()[device] != ap and time.monotonic() < deadline:
        select.select([], [], [], 0.005)


def observe(network: Network) -> dict[str, object]:
    the_plan = network.plan
    found: dict[str, object] = {"attached_at_first": network.attachments()}
    found["ping_unattached"] = ping_ms(network, "ue1", "mec1", 1)
    for device, ap in (("ue1", "ap1"), ("ue2", "ap2")):
        network.attach(device, ap)
    found["attached"] = network.attachments()
    found["ping"] = {f"{a} {b}": ping_ms(network, a, b) for a, b in (
        ("ue1", "mec1"), ("ue1", "ue2"), ("mec1", "cloud"), ("ops", "ue1"), ("ue1", "vip"), ("ops", "172.31.0.1"),
        ("ue1", str(the_plan.node("mec2").ipv6)), ("cloud", str(the_plan.device("ue2").ipv6)),
        ("ue1", str(the_plan.vip_ipv6)))}  # fmt: skip
    found["trace"] = [[hop.node, hop.out_port, hop.outcome] for hop in network.trace("ue1", "mec2", "ipv6")]
    found["trace_cookie"] = network.trace("ue1", "mec1")[1].rules[0].cookie
    found["trace_vip"] = network.trace("ue1", "vip")[-1].outcome
    before = ping_ms(network, "mec1", "cloud")
    network.change_link("core", "edge1", LinkChange(between=("core", "edge1"), delay=40 * MILLISECOND))
    found["rtt_before_and_after_change"] = [before, ping_ms(network, "mec1", "cloud")]
    network.silence("mec1")
    found["silenced"] = [ping_ms(network, "cloud", "mec1", 1), carriers(network)]
    network.link_down("mec1", "edge1")
    network.unsilence("mec1")
    found["down"] = [ping_ms(network, "cloud", "mec1", 1), carriers(network)]
    network.link_up("mec1", "edge1")
    found["up"] = [ping_ms(network, "cloud", "mec1"), carriers(network)]
    network.handover("ue1", "ap2")
    await_attached(network, "ue1", "ap2")
    found["after_handover"] = network.attachments()["ue1"]
    found["hosts_file"] = network.mininet["ue1"].cmd("getent ahostsv4 vip cloud | grep STREAM").split()
    found["resolver"] = network.mininet["ue1"].cmd("cat /etc/resolv.conf").strip()
    found["arp_ignore"] = network.mininet["mec1"].cmd("cat /proc/sys/net/ipv4/conf/all/arp_ignore").strip()
    found["ipv6_at_switch_ports"] = network.mininet["edge1"].cmd("cat /proc/net/if_inet6").split("\n")
    found["links_between"] = len(network.mininet.linksBetween(*network.mininet.get("edge1", "core")))
    network.dump_flows("before")
    try:
        network.change_link("ap1", "mec2", LinkChange(between=("ap1", "mec2"), delay=1))
    except LabError as error:
        found["no_such_link"] = str(error)
    network.markers.send(b"{}")
    found["markers_sent"] = int(Path("/sys/class/net/lab0/statistics/tx_packets").read_text())
    network.check()
    found["pids"] = sorted(network.pids())
    found["after_the_death_of_the_switch"] = kill_switch(network)
    return found


def kill_switch(network: Network) -> str:
    """What `check` says once `ovs-vswitchd` has been killed."""
    os.kill(network.pids()["ovs-vswitchd"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            network.check()
        except RunError as error:
            return str(error)
        select.select([], [], [], 0.005)
    return "nothing"


def main(run_dir: Path, stay: bool) -> None:
    the_plan = make_plan()
    (run_dir / "plan.json").write_text(the_plan.model_dump_json())
    network = Network(the_plan, run_dir, "user")
    ready: list[bool] = []
    network.start(lambda: ready.append(True))
    know_the_gateway(network)
    install_flows(network, {"ue1": "ap1", "ue2": "ap2"})
    if stay:
        network.attach("ue1", "ap1")
        print("ready", flush=True)
        signal.pause()
    print(json.dumps(observe(network) | {"operations_ready": ready}))
    network.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--stay" in sys.argv)
