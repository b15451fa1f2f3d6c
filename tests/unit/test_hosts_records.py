"""The agent's logs: one row a probe, in order, whatever order replies come in."""

from pathlib import Path

from hosts.device.prober import Lateness
from hosts.device.records import GIVE_UP_NS, Log, ProbeRecords, session_lines
from hosts.device.session import Attempt

HEADER = "sequence,sent_ns,received_ns,host"


def records(path: Path) -> ProbeRecords:
    return ProbeRecords(Log(path, HEADER))


def rows(path: Path) -> list[str]:
    header, *found = path.read_text().splitlines()
    assert header == HEADER
    return found


def test_rows_are_in_order_of_sequence_with_empty_fields_for_a_lost_probe(tmp_path: Path) -> None:
    path = tmp_path / "probes.csv"
    probes = records(path)
    for sequence in range(3):
        probes.sent(sequence, 100 + sequence)
    assert probes.received(2, 300, "mec2")
    assert probes.received(0, 200, "mec1")
    assert probes.waiting == 1
    probes.write_all()
    assert rows(path) == ["0,100,200,mec1", "1,101,,", "2,102,300,mec2"]


def test_a_second_reply_to_a_probe_is_told_apart(tmp_path: Path) -> None:
    probes = records(tmp_path / "probes.csv")
    probes.sent(0, 100)
    assert probes.received(0, 200, "mec1")
    assert not probes.received(0, 201, "mec2")
    assert not probes.received(5, 201, "mec2")


def test_a_lost_probe_holds_the_rows_behind_it_until_it_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "probes.csv"
    probes = records(path)
    for sequence in range(201):
        probes.sent(sequence, 0)
        if sequence:
            probes.received(sequence, 1, "mec1")
    probes.write_some(GIVE_UP_NS - 1)
    assert rows(path) == []
    probes.write_some(GIVE_UP_NS)
    assert rows(path)[:2] == ["0,0,,", "1,0,1,mec1"]
    probes.write_all()
    assert [row.split(",")[0] for row in rows(path)] == [str(sequence) for sequence in range(201)]


def test_a_full_disk_costs_lines_and_not_the_program() -> None:
    log = Log(Path("/dev/full"), HEADER)
    log.write(["a", "b"])
    assert log.unwritten == 3


def test_session_rows_are_on_the_wall_clock_and_leave_unknown_fields_empty() -> None:
    attempts = [Attempt(1, 1, 5, 7, "mec1", "ok"), Attempt(None, 1, None, 9, "", "closed")]
    assert session_lines(attempts, 1000) == ["1,1,1005,1007,mec1,ok", ",1,,1009,,closed"]


def test_lateness_quantiles_are_upper_edges_of_buckets() -> None:
    late = Lateness()
    for microseconds in [5] * 99 + [1_234]:
        late.add(microseconds * 1_000)
    assert late.quantile_ms(0.5) == 0.01
    assert late.quantile_ms(1.0) == 1.24
    assert Lateness().quantile_ms(0.99) == 0.0
