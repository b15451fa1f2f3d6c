"""Plain Mininet on the same Open vSwitch, for comparison: two hosts, two learning switches, nothing of the lab.

Run in a sandbox as `python -m topologies.plain LOGS RATE_BPS SECONDS` (0 for no rate limit); prints one JSON object
with `tcp_bps` and `rtt_ms`.
"""

import json
import re
import sys
from pathlib import Path

from mininet.link import TCLink
from mininet.node import OVSSwitch

from topologies import interfaces, nodes
from topologies.openvswitch import OpenVSwitch

_RTT = re.compile(r"min/avg/max/mdev = [\d.]+/([\d.]+)/")


def main(logs: Path, rate_bps: int, seconds: int) -> None:
    """Builds the network, measures round trip and TCP throughput from `a` to `b`, prints both."""
    logs.mkdir(parents=True, exist_ok=True)
    switching = OpenVSwitch(logs)
    switching.launch()
    switching.await_ready()
    net = nodes.LabNet(4)
    hosts = [net.addHost(name, ip=f"10.0.0.{number}/24") for number, name in enumerate("ab", 1)]
    switches = [net.addSwitch(f"s{n}", cls=OVSSwitch, datapath="user", failMode="standalone") for n in (1, 2)]
    limit = {"bw": rate_bps / 1e6} if rate_bps else {}
    for left, right in ((hosts[0], switches[0]), (switches[0], switches[1]), (switches[1], hosts[1])):
        net.addLink(left, right, cls=TCLink, **limit)
    for host in hosts:
        interfaces.offloads_off(host.pid, f"{host.name}-eth0")
    net.build()
    for switch in switches:
        switch.start([])
    a, b = hosts
    a.cmd("ping -c 3 10.0.0.2")
    rtt = _RTT.search(a.cmd("ping -i 0.02 -c 100 -q 10.0.0.2"))
    b.cmd("iperf3 --server --one-off --daemon")
    result = json.loads(a.cmd(f"iperf3 --client 10.0.0.2 --json --omit 1 --time {seconds}"))
    bps = result["end"]["sum_received"]["bits_per_second"]
    print(json.dumps({"tcp_bps": bps, "rtt_ms": float(rtt.group(1)) if rtt else None}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
