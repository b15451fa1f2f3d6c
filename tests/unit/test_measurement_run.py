"""A whole run's folder, made by hand, measured: result, tables, fidelity."""

import csv
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import synthetic
from synthetic import ACK, PSH, RST, SYN, a_plan, a_run, http_response, tcp

from experiments import crosscheck, fidelity, measurement, pcapng, processor
from experiments.measurement import frames, links, paths, probes, topography
from experiments.results import CaptureCount, Manifest
from meclab import planning, scenario, topology
from meclab.packets import Marker

MS = 1_000_000


def rows(run_dir, table):
    with (run_dir / "tables" / f"{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    run = a_run()
    add_session(run)
    run.write(run_dir)
    return run_dir, measurement.measure(run_dir)


def add_session(run):
    """A connection that the new host resets, and the one after it."""
    device, vip = (str(run.plan.devices[0].ipv4), 40000), (str(run.plan.vip_ipv4), 8080)

    def say(ms, interface, outgoing, flags, sequence, payload=b""):
        ends = (*device, *vip) if outgoing else (*vip, *device)
        run.add(ms, interface, tcp(*ends, flags, sequence, payload))

    def ask(ms, number, sequence):
        payload = f"GET /session/ue1?n={number} HTTP/1.1\r\n\r\n".encode()
        for later, interface in ((0, "ue1-eth0"), (3.5, "mec1-eth0" if ms < 2010 else "mec2-eth0")):
            say(ms + later, interface, True, PSH | ACK, sequence, payload)

    for start, host in ((10, "mec1"), (2110, "mec2")):
        say(start, "ue1-eth0", True, SYN, 99 + start)
        say(start + 7, "ue1-eth0", False, SYN | ACK, 499)
        ask(start + 10, start, 100 + start)
        say(start + 17, "ue1-eth0", False, PSH | ACK, 500, http_response(host, "ue1", start))
    ask(2050, 11, 300)
    say(2057, "ue1-eth0", False, RST, 600)


def test_the_handover_comes_out_as_it_was_made(measured):
    (found,) = measured[1].handovers
    assert found.model_dump() == {
        "device": "ue1",
        "from_ap": "ap1",
        "to_ap": "ap2",
        "from_host": "mec1",
        "to_host": "mec2",
        "served_by": "mec2",
        "radio_gap_ms": 30.0,
        "decide_ms": 1.0,
        "learn_ms": None,
        "learned_by": None,
        "cache_age_ms": None,
        "gap_ms": 45.0,
        "steer_ms": 12.13,
        "interruption_ms": 1873.0,
        "rtt_before_ms": 7.13,
        "detour_rtt_ms": None,
        "rtt_after_ms": 7.13,
        "lost": 1,
        "resets": 1,
        "reconnects": 0,
        "stale_requests": 0,
        "signalling_msgs": 0,
        "signalling_bytes": 0,
    }


def test_the_public_result_names_the_run(measured):
    run_dir, found = measured
    named = found.scenario, found.method, found.variant, found.dataplane, found.links, found.family, found.seed
    assert named == ("synthetic", "vip", "immediate", "openflow", "wire", "ipv4", 1)
    assert (found.status, found.run_dir, found.startup_s) == ("ok", str(run_dir), None)


def test_the_runs_accuracy_is_measured(measured):
    fidelity = measured[1].fidelity
    assert fidelity.noise_floor_rtt_ms == pytest.approx(0.13, abs=0.002)
    assert (fidelity.delay_error_p50_ms, fidelity.delay_error_p99_ms) == (0.01, 0.01)
    assert (fidelity.cpu_busy_p95, fidelity.capture_drops) == (0.25, 0)
    assert (fidelity.trusted, fidelity.reasons) == (True, ())


def test_every_direction_of_a_link_that_probes_crossed_is_a_row(measured):
    found = {(row["from_node"], row["to_node"]): row for row in rows(measured[0], "links")}
    assert len(found) == 12
    assert found["ue1", "ap1"]["link"] == "ue1-ap1"
    assert float(found["edge2", "ap2"]["configured_ms"]) == 1.0
    assert float(found["edge2", "ap2"]["delay_p50_ms"]) == 1.01
    assert int(found["mec1", "edge1"]["samples"]) == int(found["edge1", "mec1"]["samples"]) == 399


def test_tables_have_a_row_per_observation(measured):
    run_dir, _ = measured
    assert len(rows(run_dir, "probes")) == 1000
    assert [row["ending"] for row in rows(run_dir, "connections")] == ["reset", "open"]
    requests = rows(run_dir, "requests")
    assert [(row["request"], row["host"], row["delivered_to"]) for row in requests] == [
        ("10", "mec1", "mec1"),
        ("11", "", "mec2"),
        ("2110", "mec2", "mec2"),
    ]
    assert [row["event"] for row in rows(run_dir, "events")] == [
        *("attach", "decision", "ready", "detach", "attach", "decision", "end")
    ]
    assert rows(run_dir, "handovers")[0]["detach_ns"] == str(synthetic.Run(a_plan()).at(2000))


def test_the_merged_capture_tells_the_events(measured):
    merged = measured[0] / "captures" / "merged.pcapng"
    argv = ["tshark", "-r", str(merged), "-Y", "frame.comment", "-T", "fields", "-e", "frame.comment"]
    comments = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert comments[3:5] == ["detach ap=ap1 device=ue1", "attach ap=ap2 device=ue1 from_ap=ap1"]
    assert len(comments) == 7


def test_the_documentation_names_every_column(measured):
    text = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    for path in sorted((measured[0] / "tables").iterdir()):
        section = text.split(f"### {path.name}")[1].split("\n### ")[0]
        for column in path.read_text().splitlines()[0].split(","):
            assert f"| `{column}` |" in section, f"{path.name}: {column}"


def test_measuring_again_gives_the_same(measured):
    run_dir, found = measured
    assert measurement.measure(run_dir) == found


def test_a_run_that_broke_off_is_measured_as_far_as_it_goes(tmp_path):
    run = a_run()
    for file in run.files.values():
        file.frames = [frame for frame in file.frames if frame[0] < run.at(4000)]
    found = measurement.measure(run.write(tmp_path, leave_out=["ops"]))
    assert found.status == "incomplete"
    assert found.handovers[0].served_by == "mec2"
    assert "captures not there: ops" in found.fidelity.reasons
    assert not found.fidelity.trusted


def test_a_run_without_any_capture_still_has_a_result(tmp_path):
    run = a_run()
    found = measurement.measure(run.write(tmp_path, leave_out=run.files))
    assert (found.status, found.handovers, found.fidelity.trusted) == ("incomplete", (), False)
    assert found.fidelity.reasons[0] == "captures not there: markers, switches, mec1, mec2, cloud and 2 more"
    assert any("no probe was captured" in reason for reason in found.fidelity.reasons)
    assert sorted(path.stem for path in (tmp_path / "tables").iterdir())[0] == "connections"


def test_a_capture_cut_short_is_a_reason(tmp_path):
    run = a_run()
    path = run.write(tmp_path) / "captures" / "mec2.pcapng"
    os.truncate(path, path.stat().st_size // 2)
    found = measurement.measure(tmp_path)
    assert found.fidelity.reasons == ("captures cut off before the end: mec2",)
    assert found.handovers[0].steer_ms == 12.13


def test_frames_that_the_captures_lost_are_counted_and_a_reason(tmp_path):
    run = a_run()
    run.write(tmp_path)
    run.files["ue1"].write(tmp_path / "captures" / "ue1.pcapng", dropped=3)
    found = measurement.measure(tmp_path).fidelity
    assert (found.capture_drops, found.trusted, found.reasons) == (3, False, ("the captures lost 3 frames",))


def test_a_delay_that_is_off_names_the_link_and_how_far(tmp_path):
    found = measurement.measure(a_run(error_ms=0.6).write(tmp_path)).fidelity
    assert found.delay_error_p99_ms == 0.6
    assert len(found.reasons) == 4
    assert "was off by 0.60 ms at p99, above 0.50 ms (configured" in found.reasons[0]
    assert found.reasons[3] == "and so was the delay of 9 more links' directions"


def test_what_a_busy_machine_does_is_a_reason(tmp_path):
    run_dir = a_run().write(tmp_path)
    log = run_dir / "logs" / processor.LOG
    log.write_text(log.read_text().replace("0.250", "0.990"))
    (reason,) = measurement.measure(run_dir).fidelity.reasons
    assert reason == "the processors were 99% busy at p95, above 85%"
    log.unlink()
    (reason,) = measurement.measure(run_dir).fidelity.reasons
    assert reason == "the processors' load was not sampled"


def test_probes_that_left_late_are_a_reason(tmp_path):
    run = synthetic.Run(a_plan())
    run.mark(0, "ready")
    run.mark(5000, "end")
    for sequence in range(900):
        run.probe(sequence, sequence * 5 + (2 if sequence % 20 == 7 else 0), "mec1")
    (reason,) = measurement.measure(run.write(tmp_path)).fidelity.reasons
    assert reason == "probes left 2.00 ms late at p99, above 1 ms"
    assert rows(tmp_path, "senders")[0]["max_ms"] == "2.0"


def write_log(run_dir, shift_ns):
    found = rows(run_dir, "probes")
    lines = [f"{row['sequence']},{int(row['sent_ns']) - shift_ns},{row['replied_ns']},{row['host']}" for row in found]
    text = "\n".join(["sequence,sent_ns,received_ns,host", *lines]) + "\n"
    (run_dir / "logs" / "ue1-probes.csv").write_text(text)


def test_the_agents_log_is_compared_with_the_captures(tmp_path):
    run_dir = a_run().write(tmp_path)
    measurement.measure(run_dir)
    write_log(run_dir, 50_000)
    assert measurement.measure(run_dir).fidelity.trusted
    sent, received = rows(run_dir, "crosscheck")
    assert (sent["instant"], sent["compared"], sent["p99_ms"], sent["only_logged"]) == (
        "probe_sent",
        "1000",
        "0.05",
        "0",
    )
    assert (received["instant"], received["p99_ms"]) == ("probe_received", "0.0")


def test_a_log_that_differs_by_more_than_a_millisecond_is_a_reason(tmp_path):
    run_dir = a_run().write(tmp_path)
    measurement.measure(run_dir)
    write_log(run_dir, 1_200_000)
    (reason,) = measurement.measure(run_dir).fidelity.reasons
    assert "differ by more than 1 ms at p99 in 1 of 2 comparisons; most, 1.20 ms, in probe_sent of ue1" in reason


def test_of_few_instants_in_a_log_the_median_is_judged():
    def reasons(compared, p50_ms):
        row = crosscheck.LogDifference("ue1", "notified", compared, p50_ms, 1.5, 1.5, 0, 0)
        return list(fidelity._log_reasons([row]))

    assert reasons(5, 0.3) == []
    assert len(reasons(5, 1.2)) == len(reasons(20, 0.3)) == 1


def test_the_manifest_tells_when_the_command_was_given_and_which_capture_ended_early(tmp_path):
    run_dir = a_run().write(tmp_path)
    count = CaptureCount(file="ue1", node="ue1", packets=9, dropped=0, problem="it ended early with status 1: gone")
    made = Manifest(
        scenario="s",
        method="vip",
        variant=None,
        dataplane="openflow",
        links="wire",
        family="ipv4",
        seed=1,
        status="incomplete",
        started_at="2023-11-14T22:13:17.500+00:00",
        captures=(count,),
    )
    (run_dir / "manifest.json").write_text(made.model_dump_json())
    found = measurement.measure(run_dir)
    assert found.fidelity.reasons == ("the capture ue1: it ended early with status 1: gone",)
    assert found.startup_s == 2.5


def measured_links(run, made, markers=()):
    captures = []
    for name, file in run.files.items():
        path = run.folder / f"{name}.pcapng"
        file.write(path)
        captures.append(pcapng.read(path))
    seen = probes.sightings([(capture, frames.decode(capture)) for capture in captures])
    crossings = topography.crossings(made, markers)
    return links.delays(links.measure(seen, crossings, topography.node_of_interface(made)), crossings)


def test_a_link_that_changed_is_compared_with_what_it_was_at_the_time(tmp_path):
    made = a_plan()
    run = synthetic.Run(made)
    run.folder = tmp_path
    for sequence in range(20):
        run.probe(sequence, sequence * 5, "mec1")
    change = Marker("link", run.at(50), {"link": "edge1-ap1", "delay": "3ms"})
    found = {(row.crossing.from_node, row.crossing.to_node): row for row in measured_links(run, made, [change])}
    assert found["ap1", "edge1"].configured_ms == 2.0
    assert found["ap1", "edge1"].error_p99_ms == pytest.approx(1.99, abs=0.01)
    assert found["edge1", "mec1"].error_p99_ms == 0.01


def test_with_netem_a_crossing_begins_at_the_ingress_of_the_sending_node(tmp_path):
    """A frame shows at the sending interface only after the queue, right before it shows at the other end."""
    made = a_plan().model_copy(update={"links_kind": "netem"})
    run = synthetic.Run(made)
    run.folder = tmp_path
    original = synthetic.ONE_WAY_MS
    try:
        synthetic.ONE_WAY_MS = (2.0, 1.0, 0.0, 0.5, 0.0)
        run.error_ms = 0.01
        for sequence in range(20):
            run.probe(sequence, sequence * 5, "mec1")
    finally:
        synthetic.ONE_WAY_MS = original
    found = {(row.crossing.from_node, row.crossing.to_node): row for row in measured_links(run, made)}
    assert found["ap1", "edge1"].delay_p50_ms == pytest.approx(1.015)
    assert found["edge1", "mec1"].delay_p50_ms == pytest.approx(0.515)
    assert found["ue1", "ap1"].delay_p50_ms == pytest.approx(2.01)


def test_jitter_and_the_time_of_a_frames_own_bytes_are_no_error():
    made = a_plan(links={"access": {"delay": "1ms", "jitter": "300us", "rate": "1Mbit"}})
    crossing = next(c for c in topography.crossings(made, []) if c.link == "ap1-edge1")
    assert (crossing.jitter_ns(), crossing.limited) == (300_000, True)
    assert crossing.configured_ns(links.np.array([0]), links.np.array([125])).tolist() == [2_000_000]


def metro(method):
    made = scenario.Scenario.model_validate({"scenario": "m", "methods": [method], "topology": {"kind": "metro"}})
    return planning.make(made, topology.metro(4), made.methods[0], "wire")


def names(path):
    return [link.name for link in path]


def test_paths_leave_at_the_edge_where_the_address_breaks_out_and_pass_the_core_elsewhere():
    made = metro("vip")
    assert names(paths.up(made, "ap1", "mec1", "ipv4", vip=True)) == ["ap1-edge1", "edge1-mec1"]
    assert names(paths.up(made, "ap2", "mec1", "ipv6", vip=True)) == ["ap2-edge2", "edge1-edge2", "edge1-mec1"]
    assert names(paths.up(made, "ap2", "mec3", "ipv4", vip=False)) == [
        *("ap2-edge2", "edge1-edge2", "edge1-core", "edge3-core", "edge3-mec3")
    ]
    assert names(paths.up(made, "ap1", "cloud", "ipv4", vip=False)) == ["ap1-edge1", "edge1-core", "core-cloud"]
    assert names(paths.down(made, "mec3", "ap2", "ipv4", vip=False)) == ["edge3-mec3", "edge2-edge3", "ap2-edge2"]
    assert names(paths.down(made, "cloud", "ap1", "ipv4", vip=False)) == ["core-cloud", "edge1-core", "ap1-edge1"]


def test_without_captured_switches_the_whole_way_is_compared(tmp_path):
    made = a_plan(capture="endpoints")
    run = a_run()
    endpoints = synthetic.Run(made)
    for file in endpoints.files:
        endpoints.files[file].frames = run.files[file].frames
    found = measurement.measure(endpoints.write(tmp_path))
    assert {row["link"]: row["configured_ms"] for row in rows(tmp_path, "links")} == {
        "ue1~mec1": "3.5",
        "ue1~mec2": "3.5",
    }
    assert found.fidelity.noise_floor_rtt_ms == pytest.approx(0.13, abs=0.002)
    assert found.fidelity.delay_error_p99_ms == pytest.approx(0.04, abs=0.002)
    assert found.fidelity.trusted


def test_a_full_disk_at_the_merge_is_a_reason_and_no_more(tmp_path, monkeypatch):
    run_dir = a_run().write(tmp_path)
    tool = tmp_path / "bin" / "mergecap"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'No space left on device' >&2\nexit 2\n")
    tool.chmod(0o755)
    for real in ("reordercap", "editcap"):
        (tool.parent / real).symlink_to(shutil.which(real))
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    found = measurement.measure(run_dir)
    assert found.fidelity.reasons == ("there is no merged capture: mergecap failed: No space left on device",)
    assert len(found.handovers) == 1


def test_a_full_disk_at_a_table_is_a_reason_and_no_more(tmp_path):
    run_dir = a_run().write(tmp_path)
    (run_dir / "tables").mkdir()
    (run_dir / "tables" / "probes.csv").symlink_to("/dev/full")
    found = measurement.measure(run_dir)
    assert found.fidelity.reasons == ("the table probes could not be written: No space left on device",)
    assert len(rows(run_dir, "handovers")) == 1


def test_busy_is_the_share_of_ticks_that_were_not_idle():
    before = processor.ticks("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n")
    after = processor.ticks("cpu  150 0 110 730 110 0 0 0 0 0\ncpu0 1 2 3\n")
    assert before == (800, 1000)
    assert processor.busy(before, after) == pytest.approx(0.6)
    assert processor.busy(before, before) == 0.0


def test_the_sampler_writes_samples_until_it_is_stopped(tmp_path):
    path = tmp_path / processor.LOG
    sampler = processor.Sampler(path, interval_s=0.01)
    sampler.start()
    deadline = time.monotonic() + 10
    while not path.exists() or path.read_text().count("\n") < 3:
        assert time.monotonic() < deadline, "no samples"
    sampler.stop()
    found = processor.samples(path, 0, 1 << 62)
    assert len(found) >= 2
    assert all(0 <= share <= 1 for _, share in found)
    assert processor.samples(path, 0, 1) == []


def redirected():
    """The device's request after its move is redirected from the old host to the new one."""
    run = a_run(a_plan("http-redirect"))
    for outgoing, ms, host, port in ((True, 2035, "mec1", 40001), (True, 2060, "mec2", 40002)):
        node = run.plan.node(host)
        ends = ("10.45.0.1", port, "ue1-eth0"), (str(node.ipv4), 8080, node.interface)
        connection = synthetic.Connection(run, *ends).open(ms)
        connection.say(ms + 4, outgoing, b"GET /session/ue1?n=9 HTTP/1.1\r\n\r\n")
        status = (
            "307 T\r\nLocation: http://10.1.2.10:8080/session/ue1?n=9\r\nContent-Length: 0\r\nMEC-Host: mec1\r\n\r\n"
        )
        redirect = f"HTTP/1.1 {status}".encode()
        connection.say(ms + 8, False, redirect if host == "mec1" else http_response("mec2", "ue1", 9))
        if host == "mec1":
            connection.say(ms + 12, True, b"", synthetic.FIN | ACK)
    return run


def test_a_redirect_is_learned_from_counted_and_in_the_tables(tmp_path):
    run = redirected()
    (found,) = measurement.measure(run.write(tmp_path)).handovers
    assert (found.learn_ms, found.stale_requests, found.reconnects, found.resets) == (14.0, 1, 1, 0)
    assert found.interruption_ms == 1931.0
    (row,) = rows(tmp_path, "handovers")
    assert (row["learned_by"], row["cache_age_ms"]) == ("redirect", "")
    assert [(r["status"], r["server"], r["done_ns"] != "") for r in rows(tmp_path, "requests")] == [
        ("307", "10.1.1.10", False),
        ("200", "10.1.2.10", True),
    ]
    assert [row["by"] for row in rows(tmp_path, "lessons")] == ["redirect"]
    assert [(row["role"], row["sender"], row["own"]) for row in rows(tmp_path, "signalling")] == [
        ("redirect", "ue1", "1"),
        ("redirect", "mec1", "1"),
    ]


def test_routing_that_disagrees_with_the_orchestrator_is_said(tmp_path):
    run = a_run(a_plan("bgp-anycast"))
    found = measurement.measure(run.write(tmp_path))
    assert (found.notes, found.fidelity.trusted) == ((), True)
    pinned = a_run(a_plan("bgp-anycast"))
    pinned.mark(3000, "decision", device="ue1", host="mec1", from_host="mec2", trigger="pin", reason="pinned")
    (note,) = measurement.measure(pinned.write(tmp_path)).notes
    assert note == (
        "routing and the orchestrator disagree in 1 of 2 changes: ue1 at ap2 is served by mec2, decided was mec1"
    )


def test_in_a_routed_network_without_captured_switches_ways_are_the_shortest():
    made = metro("bgp-anycast")
    crossings = {
        (c.from_node, c.to_node): c
        for c in paths.crossings(made, [Marker("attach", 5, {"device": "ue1", "ap": "ap2"})])
    }
    air_ms, access_ms, local_ms, backhaul_ms = 2.0, 1.0, 0.5, 4.0
    ((_, delay_ns, _, _),) = crossings["ue1", "mec3"].steps[-1:]
    assert delay_ns / MS == air_ms + access_ms + backhaul_ms + local_ms


def test_keys_of_sessions_over_tls_are_in_every_capture(tmp_path):
    run_dir = a_run(a_plan("http-redirect", http={"tls": True})).write(tmp_path)
    found = measurement.measure(run_dir)
    assert "the sessions cannot be decrypted: nobody has left TLS keys" in found.fidelity.reasons
    (run_dir / "logs" / "ue1-tls-keys.log").write_text(f"CLIENT_RANDOM {'00' * 32} {'11' * 48}\n")
    again = measurement.measure(run_dir)
    assert again.fidelity.reasons == ()
    for name in ("ue1", "mec2", "merged"):
        assert b"CLIENT_RANDOM" in (run_dir / "captures" / f"{name}.pcapng").read_bytes()
    assert measurement.measure(run_dir) == again
