"""Makes run folders as a measured run leaves them, with made-up but plausible figures."""

import csv
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.results import CaptureCount, Fidelity, HandoverResult, Manifest, RunResult, SignallingRate
from meclab import planning as plans
from meclab.methods import Method, parse_method
from meclab.scenario import Device, Event, Expectation, Handover, Scenario
from meclab.topology import Graph, two_site

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
RTT_MS = {"cloud": (54.0, 54.0), "sticky": (7.2, 23.1), "vip": (7.2, 7.3)}


def write_run(
    folder: Path,
    method: str = "vip:immediate",
    handovers: int = 4,
    seed: int = 1,
    status: str = "ok",
    graph: Graph | None = None,
    devices: int = 1,
    **changes: Any,
) -> Path:
    """A run of the two-site scenario (or of `graph`); `changes` replace fields of every handover."""
    rng = random.Random(f"{method}{seed}")
    chosen = Method.model_validate(parse_method(method))
    scenario = _scenario(method, handovers, devices)
    made = plans.make(scenario, graph or two_site(), chosen, "wire", seed)
    for name in ("tables", "captures", "flows/before", "flows/after", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(made.model_dump_json())
    (folder / "scenario.yaml").write_text(scenario.model_dump_json(by_alias=True))
    for name in ("merged", "ue1", "mec1", "ops"):
        (folder / "captures" / f"{name}.pcapng").write_bytes(bytes(2048))
    rule = "cookie=0x3000000000000001, duration={}s, table=0, n_packets={}, priority=200,ip actions=output:2\n"
    (folder / "flows" / "before" / "edge1.txt").write_text(rule.format(1.5, 10))
    (folder / "flows" / "after" / "edge1.txt").write_text("")
    (folder / "flows" / "after" / "edge2.txt").write_text(rule.format(2.5, 99))
    results = [_result(chosen, i, rng, changes) for i in range(handovers)]
    _write_tables(folder / "tables", results, chosen, rng)
    result = RunResult(
        scenario="handover",
        method=chosen.name,
        variant=chosen.variant,
        dataplane="openflow",
        links="wire",
        family="ipv4",
        seed=seed,
        status=status,  # type: ignore[arg-type]
        handovers=tuple(results),
        signalling_per_min=SignallingRate(msgs=0.0, bytes=0.0),
        fidelity=fidelity(status == "ok"),
        startup_s=2.4,
        run_dir=str(folder),
    )
    manifest = Manifest(
        **result.model_dump(
            include={"scenario", "method", "variant", "dataplane", "links", "family", "seed", "status"}
        ),
        reasons=("edge1's Open vSwitch ended with status -9",) if status == "incomplete" else (),
        started_at="2024-05-04T10:00:00Z",
        startup_s=2.4,
        command=("./lab", "run", "handover.yaml", "--method", method),
        kernel="6.18.0",
        cores=2,
        versions={"meclab": "0.1.0", "Open vSwitch": "3.1.0", "mininet": "2.3.0"},
        datapath="userspace",
        realtime=True,
        captures=(CaptureCount(file="ue1", node="ue1", packets=100, dropped=0),),
        result=result,
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


def fidelity(trusted: bool) -> Fidelity:
    return Fidelity(
        noise_floor_rtt_ms=0.31,
        delay_error_p50_ms=0.021,
        delay_error_p99_ms=0.284 if trusted else 1.9,
        cpu_busy_p95=0.62 if trusted else 0.97,
        capture_drops=0,
        trusted=trusted,
        reasons=() if trusted else ("processor busy p95 is 97 %, more than 85 %",),
    )


def _scenario(method: str, handovers: int, devices: int) -> Scenario:
    moves = [
        Event(at=(1000 + 1000 * i) * MS, handover=Handover(device="ue1", to=("ap2", "ap1")[i % 2]))
        for i in range(handovers)
    ]
    return Scenario(
        scenario="handover",
        summary="A device drives from one site to the next and back.",
        methods=(parse_method(method),),
        devices=(Device(name="ue1", ap="ap1"), *([Device(count=devices - 1)] if devices > 1 else [])),
        events=tuple(moves),
        expect=(
            Expectation(metric="served_by_decided", at_least=1, method=parse_method("vip:immediate")),
            Expectation(metric="lost", of="max", at_most=2),
        ),
    )


def _result(method: Method, number: int, rng: random.Random, changes: dict[str, Any]) -> HandoverResult:
    here, there = (1, 2) if number % 2 == 0 else (2, 1)
    served = {"cloud": "cloud", "sticky": "mec1", "vip": f"mec{there}"}[method.name]
    before, after = RTT_MS[method.name]
    away = number % 2 == 0 or method.name != "sticky"
    measured = {
        "device": "ue1",
        "from_ap": f"ap{here}",
        "to_ap": f"ap{there}",
        "from_host": f"mec{here}",
        "to_host": f"mec{there}",
        "served_by": served,
        "radio_gap_ms": 30 + rng.random() / 10,
        "decide_ms": 1.2 + rng.random(),
        "gap_ms": 36 + after + rng.random(),
        "steer_ms": 10 + rng.expovariate(0.5) if served == f"mec{there}" else None,
        "interruption_ms": 60 + after + 40 * rng.random(),
        "rtt_before_ms": before if away else after,
        "detour_rtt_ms": None,
        "rtt_after_ms": after if away else before,
        "lost": 7 + rng.randrange(2),
        "resets": 1 if method.label == "vip-immediate" else 0,
        "reconnects": 0,
        "stale_requests": 0 if method.name == "vip" else 19,
        "signalling_msgs": 6 if method.name == "vip" else 0,
        "signalling_bytes": 812 if method.name == "vip" else 0,
    }
    return HandoverResult.model_validate(measured | changes)


def _write_tables(folder: Path, results: Sequence[HandoverResult], method: Method, rng: random.Random) -> None:
    t0s = [START_NS + (1030 + 1000 * i) * MS for i in range(len(results))]
    instants = [
        {
            "device": r.device,
            "t0_ns": t0,
            "detach_ns": t0 - round((r.radio_gap_ms or 0) * MS),
            "decision_ns": t0 + round((r.decide_ms or 0) * MS),
        }
        for t0, r in zip(t0s, results, strict=True)
    ]
    _table(folder / "handovers.csv", instants)
    probes, requests = [], []
    for i, (t0, result) in enumerate(zip(t0s, results, strict=True)):
        before = "cloud" if method.name == "cloud" else "mec1" if method.name == "sticky" else f"mec{1 + i % 2}"
        for n in range(-100, 100):
            sent = t0 + n * 5 * MS + rng.randrange(100_000)
            host, rtt = (before, result.rtt_before_ms) if n < 0 else (result.served_by, result.rtt_after_ms)
            answered = not -30 - (rtt or 0) <= (sent - t0) / MS < 2
            at = sent + round(((rtt or 7) + rng.expovariate(5)) * MS) if answered and host else ""
            probes.append(
                {"device": "ue1", "sequence": n, "sent_ns": sent, "replied_ns": at, "host": host if at else ""}
            )
        for n in range(-10, 10):
            sent = t0 + n * 50 * MS - 20 * MS
            crosses = -60 * MS < sent - t0 < 0
            host = before if sent < t0 - 60 * MS else result.served_by
            done = sent + round(((result.interruption_ms if crosses else result.rtt_after_ms) or 7) * MS)
            requests.append({"device": "ue1", "request": n, "sent_ns": sent, "done_ns": done, "host": host or ""})
    _table(folder / "probes.csv", probes)
    _table(folder / "requests.csv", requests)
    events = [{"at_ns": START_NS, "captured_ns": START_NS + 9_000, "event": "ready", "device": "", "ap": ""}]
    events += [{"at_ns": t0, "captured_ns": t0 + 9_000, "event": "attach", "device": "ue1", "ap": "<ap>"} for t0 in t0s]
    _table(folder / "events.csv", events)
    _table(
        folder / "links.csv",
        [{"link": "edge1-core", "configured_ms": "4.000", "delay_p50_ms": "4.021", "error_p99_ms": "0.210"}],
    )
    _table(
        folder / "signalling.csv", [{"at_ns": t0s[0] if t0s else START_NS, "message": "FLOW_MOD", "size_bytes": 144}]
    )


def _table(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(
            file, fieldnames=list(rows[0]) if rows else ["device", "t0_ns", "detach_ns", "decision_ns"]
        )
        writer.writeheader()
        writer.writerows(rows)
