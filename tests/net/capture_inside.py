"""Runs in namespaces of its own: two captured namespaces and some traffic. Prints what it found as JSON.

Usage: capture_inside.py RUN_DIR CASE
"""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

from experiments.capture import Captures, live
from meclab import plan, planning, scenario, topology
from meclab.errors import RunError
from meclab.packets import MARKER_PORT, PROBE_PORT, Marker, Probe
from meclab.plan import CapturePoint

PROBES = 200
SENDER = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in sys.stdin:
    sender.sendto(bytes.fromhex(line), ("10.9.0.1", {port}))
"""


def sh(line: str) -> None:
    subprocess.run(line.split(), check=True)


def build() -> subprocess.Popen[bytes]:
    """`lab0` and `ap1-radio` here, `ue1-eth0` in the namespace of the process returned."""
    device = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
    here = Path("/proc/self/ns/net").readlink()
    while Path(f"/proc/{device.pid}/ns/net").readlink() == here:
        time.sleep(0.001)
    for line in (
        "ip link add lab0 type veth peer name lab1",
        f"ip link add ap1-radio type veth peer name ue1-eth0 netns {device.pid}",
        "ip addr add 169.254.77.1/24 dev lab0",
        "ip neigh add 169.254.77.2 lladdr 02:00:00:00:00:77 dev lab0",
        "ip addr add 10.9.0.1/24 dev ap1-radio",
        *(f"ip link set {name} up" for name in ("lab0", "lab1", "ap1-radio")),
        f"nsenter --net=/proc/{device.pid}/ns/net ip link set ue1-eth0 up",
        f"nsenter --net=/proc/{device.pid}/ns/net ip addr add 10.9.0.2/24 dev ue1-eth0",
    ):
        sh(line)
    return device


def captured_plan(*points: tuple[str, str, str]) -> plan.Plan:
    made = scenario.Scenario.model_validate({"scenario": "capture"})
    whole = planning.make(made, topology.two_site(), made.methods[0], "wire")
    captures = tuple(CapturePoint(node=node, interface=interface, file=file) for node, interface, file in points)
    return whole.model_copy(update={"captures": captures})


def send_probes(pid: int, count: int, size: int = 0) -> None:
    lines = "".join(Probe("ue1", n, time.time_ns()).pack().hex() + "00" * size + "\n" for n in range(count))
    argv = ["nsenter", f"--net=/proc/{pid}/ns/net", "--", sys.executable, "-c", SENDER.format(port=PROBE_PORT)]
    subprocess.run(argv, input=lines, text=True, check=True)


def mark(event: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(Marker(event, time.time_ns()).pack(), ("169.254.77.2", MARKER_PORT))


ALL = (("root", "lab0", "markers"), ("root", "ap1-radio", "switches"), ("ue1", "ue1-eth0", "ue1"))


def complete(run_dir: Path, pid: int) -> dict[str, object]:
    """Frames from right after the start to right before the stop."""
    captures = Captures(captured_plan(*ALL), run_dir, lambda node: pid)
    captures.start()
    mark("ready")
    send_probes(pid, PROBES)
    mark("end")
    return {"counts": [count.model_dump() for count in captures.stop()], "again": captures.stop()}


def missing(run_dir: Path, pid: int) -> dict[str, object]:
    """An interface that is not there."""
    captures = Captures(captured_plan(*ALL, ("ue1", "ue1-eth7", "other")), run_dir, lambda node: pid)
    try:
        captures.start()
    except RunError as error:
        return {"error": str(error), "stopped": len(captures.stop())}
    return {}


def full(run_dir: Path, pid: int) -> dict[str, object]:
    """A disk that fills up under one of the captures."""
    (run_dir / "captures").mkdir()
    sh(f"mount -t tmpfs -o size=256k none {run_dir}/captures")
    captures = Captures(captured_plan(*ALL), run_dir, lambda node: pid)
    captures.start()
    deadline = time.monotonic() + 20
    while not captures.problems() and time.monotonic() < deadline:
        send_probes(pid, PROBES, size=400)
    problems = captures.problems()
    counts = captures.stop()
    kept = run_dir / "kept"
    kept.mkdir()
    sh(f"cp -r {run_dir}/captures/. {kept}")
    return {"problems": problems, "counts": [count.model_dump() for count in counts]}


def piped(run_dir: Path, pid: int) -> dict[str, object]:
    """A live capture to a pipe."""
    log = (run_dir / "live.log").open("w+b")
    output = run_dir / "live.pcapng"
    with output.open("wb") as file:
        argv = ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *live(["ue1-eth0"], f"udp port {PROBE_PORT}")]
        dumpcap = subprocess.Popen(argv, stdout=file, stderr=log)
        deadline = time.monotonic() + 20
        while output.stat().st_size == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        while output.stat().st_size < 10_000 and time.monotonic() < deadline:
            send_probes(pid, PROBES)
        dumpcap.terminate()
        dumpcap.wait()
    return {"bytes": output.stat().st_size}


if __name__ == "__main__":
    folder, case = Path(sys.argv[1]), sys.argv[2]
    peer = build()
    cases = {"complete": complete, "missing": missing, "full": full, "piped": piped}
    print(json.dumps(cases[case](folder, peer.pid)))
