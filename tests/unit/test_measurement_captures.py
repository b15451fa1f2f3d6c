"""Reading captures: the file format, the headers, the probes in them; tshark is the independent reader."""

import subprocess

import pytest
import synthetic
from synthetic import Pcapng, tcp, udp

from experiments import pcapng
from experiments.measurement import events, frames, probes
from meclab.errors import PeerError
from meclab.packets import Marker, Probe, probe_reply

START_NS = 1_700_000_000_123_456_789
FIELDS = ["frame.time_epoch", "frame.len", "frame.cap_len", "frame.interface_name", "udp.srcport", "udp.dstport"]
FIELDS += ["tcp.srcport", "tcp.dstport", "udp.length", "tcp.len"]


def tshark(path, *fields):
    options = [word for field in fields for word in ("-e", field)]
    argv = ["tshark", "-r", str(path), "-T", "fields", *options]
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in output.splitlines()]


def mixed(path):
    """Both families, UDP and TCP, an ARP frame, one cut by the snap length, two interfaces."""
    file = Pcapng(["ue1-eth0", "ap1-radio"], snap=128)
    content = [
        udp("10.45.0.1", 5000, "10.99.0.1", 9007, Probe("ue1", 7, START_NS).pack()),
        udp("2001:db8:45::1", 5000, "2001:db8:99::1", 9007, Probe("ue1", 8, START_NS).pack()),
        tcp("10.45.0.1", 4000, "10.99.0.1", 8080, synthetic.ACK, 77, b"x" * 400),
        tcp("2001:db8:45::1", 4000, "2001:db8:99::1", 8080, synthetic.SYN, 76),
        b"\xff" * 6 + b"\x02" * 6 + b"\x08\x06" + bytes(28),
    ]
    for number, frame in enumerate(content):
        file.add(START_NS + number, "ap1-radio" if number % 2 else "ue1-eth0", frame)
    file.write(path)
    return content


def test_the_reader_agrees_with_tshark(tmp_path):
    path = tmp_path / "mixed.pcapng"
    mixed(path)
    capture = pcapng.read(path)
    decoded = frames.decode(capture)
    for index, row in enumerate(tshark(path, *FIELDS)):
        time, length, captured, interface, udp_from, udp_to, tcp_from, tcp_to, udp_bytes, tcp_bytes = row
        time_ns = int(capture.time_ns[index])
        assert f"{time_ns // 10**9}.{time_ns % 10**9:09}" == time
        assert (capture.length[index], capture.captured[index]) == (int(length), int(captured))
        assert capture.interfaces[capture.interface[index]] == interface
        assert decoded.source_port[index] == int(udp_from or tcp_from or 0)
        assert decoded.destination_port[index] == int(udp_to or tcp_to or 0)
        payload_bytes = int(udp_bytes) - 8 if udp_bytes else int(tcp_bytes or 0)
        assert decoded.payload_bytes[index] == payload_bytes


def test_frames_come_back_as_they_were_captured(tmp_path):
    content = mixed(tmp_path / "mixed.pcapng")
    capture = pcapng.read(tmp_path / "mixed.pcapng")
    assert [capture.frame(index) for index in range(len(capture))] == [frame[:128] for frame in content]


def test_drops_are_summed_over_the_interfaces_and_unknown_in_a_file_that_broke_off(tmp_path):
    file = Pcapng(["a", "b"])
    file.write(tmp_path / "dropped.pcapng", dropped=3)
    file.write(tmp_path / "broken.pcapng", statistics=False)
    assert pcapng.read(tmp_path / "dropped.pcapng").dropped == 6
    assert pcapng.read(tmp_path / "broken.pcapng").dropped is None


@pytest.mark.parametrize("missing", [1, 40, 100])
def test_a_last_packet_cut_short_is_left_out(tmp_path, missing):
    path = tmp_path / "cut.pcapng"
    mixed(path)
    whole = path.read_bytes()
    statistics_bytes = 2 * 40
    path.write_bytes(whole[: len(whole) - statistics_bytes - missing])
    assert 3 <= len(pcapng.read(path)) < 5
    assert pcapng.read(path).dropped is None


@pytest.mark.parametrize("content", [b"", b"\xd4\xc3\xb2\xa1" + bytes(40), b"hello world, this is a text file"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.pcapng"
    path.write_bytes(content)
    with pytest.raises(PeerError):
        pcapng.read(path)


def test_a_file_without_packets_reads_as_empty(tmp_path):
    Pcapng(["a"]).write(tmp_path / "empty.pcapng")
    capture = pcapng.read(tmp_path / "empty.pcapng")
    assert len(capture) == 0
    assert len(probes.sightings([(capture, frames.decode(capture))])) == 0


def test_markers_are_read_from_their_interface_only_and_in_order_of_their_instants(tmp_path):
    file = Pcapng(["lab0", "mec1-eth0"])
    for interface, at_ns in (("lab0", 20), ("lab0", 10), ("mec1-eth0", 15)):
        marker = Marker("link", at_ns, {"link": "a-b"})
        file.add(100 + at_ns, interface, udp("169.254.77.1", 1, "169.254.77.2", 9747, marker.pack()))
    file.add(200, "lab0", udp("169.254.77.1", 1, "169.254.77.2", 9747, b"not a marker"))
    file.write(tmp_path / "markers.pcapng")
    capture = pcapng.read(tmp_path / "markers.pcapng")
    seen = events.markers(capture, frames.decode(capture))
    assert [(row.marker.at_ns, row.captured_ns, row.marker.comment()) for row in seen] == [
        (10, 110, "link link=a-b"),
        (20, 120, "link link=a-b"),
    ]


def probe_table(tmp_path, run):
    run.write(tmp_path)
    captures = [pcapng.read(path) for path in sorted((tmp_path / "captures").glob("*.pcapng"))]
    return probes.probes(probes.sightings([(capture, frames.decode(capture)) for capture in captures]), run.plan)


def test_a_probe_is_told_by_its_devices_and_its_hosts_interfaces(tmp_path):
    run = synthetic.Run(synthetic.a_plan())
    run.probe(0, 0, "mec1")
    run.probe(1, 5, None)
    run.probe(2, 10, "mec2", lost_after=6)
    answered, lost, unanswered = probe_table(tmp_path, run)
    assert (answered.sequence, answered.sent_ns, answered.host, answered.delivered_to) == (0, run.at(0), "mec1", "mec1")
    assert answered.replied_ns == run.at(7.13)
    assert answered.delivered_ns == run.at(3.54)
    assert (lost.sequence, lost.replied_ns, lost.host, lost.delivered_to) == (1, None, "", "")
    assert (unanswered.replied_ns, unanswered.delivered_to, unanswered.host) == (None, "mec2", "")


def test_a_reply_seen_twice_counts_once_and_a_foreign_payload_not_at_all(tmp_path):
    run = synthetic.Run(synthetic.a_plan())
    request = Probe("ue1", 0, run.at(0)).pack()
    run.add(0, "ue1-eth0", udp("10.45.0.1", 5000, "10.99.0.1", 9007, request))
    run.add(1, "ue1-eth0", udp("10.45.0.1", 5000, "10.99.0.1", 9007, b"MECQ" + request[4:]))
    for ms in (8, 9):
        run.add(ms, "ue1-eth0", udp("10.99.0.1", 9007, "10.45.0.1", 5000, probe_reply(request, b"mec2")))
    (only,) = probe_table(tmp_path, run)
    assert (only.replied_ns, only.host) == (run.at(8), "mec2")
