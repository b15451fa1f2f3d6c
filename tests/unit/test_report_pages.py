"""The pages tell what was measured, stand alone, and stay readable when much is missing."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report_runs import write_run

from experiments import report
from experiments.measurement.tables import Tables
from experiments.report import run
from experiments.results import Manifest
from meclab import metrics
from meclab.changes import Change
from meclab.errors import RunError
from meclab.observations import ProbeSeen, RequestSeen
from meclab.topology import Published, PublishedLink, PublishedNode, from_published, metro

METHODS = ("cloud", "sticky", "vip:immediate", "vip:pinned")
VOID = {"meta", "br", "rect", "line", "path", "circle", "use", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """A page's text by section, its tables, links and identifiers; fails on tags that do not match."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sections: dict[str, str] = {}
        self.links: list[str] = []
        self.identifiers: list[str] = []
        self.references: list[str] = []
        self.rows: list[list[str]] = []
        self._open: list[tuple[str, str]] = []
        self.feed(path.read_text())
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.identifiers += [values["id"]] if "id" in values else []
        if tag == "a":
            self.links.append(values["href"])
        self.references += [values[name] for name in ("src", "href", "xlink:href") if name in values and tag != "a"]
        self.rows += [[]] if tag == "tr" else []
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self._open.append((tag, values.get("id", "")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open[-1][0] == tag, f"</{tag}> closes {self._open[-1]}"
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for tag, identifier in self._open:
            if tag in ("section", "header"):
                name = identifier or tag
                self.sections[name] = f"{self.sections.get(name, '')} {data.strip()}".strip()
        if any(tag in ("td", "th") for tag, _ in self._open):
            self.rows[-1][-1] += data.strip()

    def row(self, start: str) -> list[str]:
        return next(row for row in self.rows if row and row[0].startswith(start))


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    runs = [write_run(folder / method.replace(":", "-"), method) for method in METHODS]
    return report.write_comparison(runs, folder / "comparison")


def test_the_comparison_has_a_row_for_each_method_with_medians_and_ranges(compared: Path) -> None:
    page = Page(compared)
    header = page.row("method")
    assert [title.removesuffix("ms") for title in header[1:7]] == [
        "radio gap",
        "decide",
        "learn",
        "steer",
        "gap",
        "interruption",
    ]
    cloud = page.row("cloud4 handovers")
    assert cloud[header.index("steerms")] == "–"
    assert cloud[header.index("RTT afterms")] == "54.0"
    pinned = page.row("vip pinned4 handovers")
    assert re.fullmatch(r"1\d\.\d\d+\.\d–\d+\.\d", pinned[header.index("steerms")])
    sticky = page.row("sticky4 handovers")
    assert sticky[header.index("steerms")].endswith("2 never")


def test_a_reader_of_the_first_lines_learns_the_outcome(compared: Path) -> None:
    header = Page(compared).sections["header"]
    assert "What a handover costs: cloud, sticky, vip immediate and vip pinned" in header
    assert "4 runs with 16 handovers" in header
    assert "without any access point for 30 ms" in header
    assert "Never reaches the decided host: cloud serves." in header
    assert "RTT grows in 2 of 4 handovers, to as much as 23.1 ms." in header
    assert "4 TCP connections broken" in header


def test_the_page_loads_nothing_from_anywhere(compared: Path) -> None:
    page = Page(compared)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert page.tags.count("style") == 1, "a figure's own style sheet would hold for the whole page"
    assert all(reference.startswith("#") for reference in page.references)
    assert "@import" not in compared.read_text()
    assert not re.search(r"url\((?!#)", compared.read_text())


def test_identifiers_on_a_page_are_unique_and_references_resolve(compared: Path) -> None:
    page = Page(compared)
    named = [name for name in page.identifiers if not re.search(r"-m[0-9a-f]{10}$", name)]
    assert len(named) == len(set(named))
    assert {reference.removeprefix("#") for reference in page.references} <= set(page.identifiers)
    anchors = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert anchors
    assert anchors <= set(page.identifiers)


def test_relative_links_lead_to_files(compared: Path) -> None:
    files = [link for link in Page(compared).links if not link.startswith("#")]
    assert any(link.endswith("merged.pcapng") for link in files)
    assert [link for link in files if not (compared.parent / link).exists()] == []


def test_the_picture_draws_probes_losses_requests_and_instants(compared: Path) -> None:
    section = Page(compared).sections["timelines"]
    for word in ("RTT, ms", "lost", "requests", "attach 0", "detach −30", "decision +", "mec1", "mec2", "cloud"):
        assert word in section
    tree = ElementTree.parse(compared.parent / "figures" / "timelines.svg")
    strokes = [path for path in tree.iter("{http://www.w3.org/2000/svg}path") if "#d55e00" in path.get("style", "")]
    assert len(strokes) == len(METHODS), "one path of losses for each method"


def test_the_ways_before_and_after_the_move_are_drawn_and_told(compared: Path) -> None:
    network = Page(compared).sections["network"]
    assert "after: ap2 → edge2 → core → edge1 → mec1, RTT 23.1 ms" in network
    assert "after: ap2 → edge2 → mec2, RTT 7.3 ms" in network
    assert "before: ap1 → edge1 → core → cloud, RTT 54.0 ms" in network
    route = (compared.parent / "figures" / "route-3.svg").read_text()
    assert route.count('class="way"') == 2


def test_fidelity_expectations_and_the_way_to_do_it_again_are_on_the_page(compared: Path) -> None:
    page = Page(compared)
    assert "All 4 runs can be trusted" in page.sections["trust"]
    assert "edge1-core" in page.sections["trust"]
    assert page.row("vip-immediate: every served_by_decided at least 1")[-1] == "holds"
    assert page.row("cloud: max of lost at most 2")[-1] == "fails"
    assert "./lab run handover.yaml --method vip:pinned" in page.sections["again"]
    assert "Linux 6.18.0, 2 cores" in page.sections["again"]
    captures = page.sections["captures"]
    assert "frame.comment" in captures
    assert "ip.addr == 10.99.0.1" in captures
    assert "openflow_v4.type == 14" in captures


def test_the_same_data_gives_the_same_bytes(compared: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in (compared.parent / "figures").iterdir()}
    runs = [compared.parent.parent / method.replace(":", "-") for method in METHODS]
    again = report.write_comparison(runs, tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == before
    assert len(again.read_text()) > 0
    assert re.search(r"\b20\d\d-\d\d-\d\dT", before["timelines.svg"].decode()) is None


def test_figures_are_well_formed_and_stand_alone(compared: Path) -> None:
    for path in (compared.parent / "figures").iterdir():
        text = path.read_text()
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(--" not in text
        assert "Helvetica" in text


def test_the_page_of_a_run_shows_each_handover_events_signalling_and_flow_changes(tmp_path: Path) -> None:
    page = Page(report.write_run(write_run(tmp_path / "run")))
    assert [row[0][:5] for row in page.rows if re.match(r"\d ue1", row[0] if row else "")] == [
        f"{number} ue1" for number in range(1, 5)
    ]
    assert "4. ue1 ap2 → ap1" in page.sections["timelines"]
    assert page.row("1.030000") == ["1.030000", "1.030009", "attach", "ue1", "<ap>"]
    assert "FLOW_MOD" in page.sections["signalling"]
    assert "n_packets" not in page.sections["flows"]
    assert "− cookie=0x3000000000000001" in page.sections["flows"]
    assert "+ cookie=0x3000000000000001" in page.sections["flows"]
    assert "captures/ops.pcapng" in page.links


def test_text_from_the_scenario_is_text_on_the_page(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace("A device drives", "<script>alert(1)</script>"))
    path = report.write_run(folder)
    assert "script" not in Page(path).tags
    assert "&lt;script&gt;" in path.read_text()


def test_an_incomplete_run_without_results_gets_a_page_that_says_why(tmp_path: Path) -> None:
    good, bad = write_run(tmp_path / "good"), write_run(tmp_path / "bad", "vip:pinned", status="incomplete")
    manifest = Manifest.model_validate_json((bad / "manifest.json").read_text())
    (bad / "manifest.json").write_text(manifest.model_copy(update={"result": None}).model_dump_json())
    for name in ("tables", "captures", "flows"):
        for path in sorted((bad / name).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    (bad / "plan.json").unlink()
    alone = Page(report.write_run(bad))
    assert "edge1's Open vSwitch ended with status -9" in alone.sections["header"]
    assert "no handover that was measured" in alone.sections["handovers"]
    page = Page(report.write_comparison([good, bad], tmp_path / "both"))
    assert "Read 1 of 2 runs with care" in page.sections["trust"]
    assert (
        "vip pinned, seed 1: the run is incomplete; edge1's Open vSwitch ended with status -9" in page.sections["trust"]
    )


def test_metrics_that_are_all_missing_give_dashes_and_words(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("steer_ms", "gap_ms", "interruption_ms", "rtt_before_ms", "rtt_after_ms", "decide_ms"))
    folder = write_run(tmp_path / "run", handovers=2, served_by=None, to_host=None, **nothing)
    page = Page(report.write_run(folder))
    assert "nobody serves" in page.sections["header"]
    assert page.row("1 ue1")[2:6] == ["–", "–", "–", "–"]
    assert "never" in page.sections["timelines"]


def test_a_run_with_no_handover_gets_a_page(tmp_path: Path) -> None:
    page = Page(report.write_run(write_run(tmp_path / "run", handovers=0)))
    assert "timelines" not in page.sections
    assert "no handover that was measured" in page.sections["handovers"]
    Page(report.write_comparison([tmp_path / "run"], tmp_path / "out"))


def test_hundreds_of_handovers_are_all_in_the_table_and_a_dozen_drawn(tmp_path: Path) -> None:
    page = Page(report.write_run(write_run(tmp_path / "run", handovers=300)))
    assert sum(bool(row) and re.match(r"\d+ ue1", row[0]) is not None for row in page.rows) == 300
    assert "12 of 300 handovers" in page.sections["timelines"]
    assert page.row("medianof 300")


def ladder(count: int) -> Published:
    nodes = tuple(PublishedNode(f"City {i}", 0.0, 0.0) for i in range(count))
    links = [(i, i + 2) for i in range(count - 2)] + [(i, i + 1) for i in range(0, count, 2)]
    return Published("ladder", nodes, tuple(PublishedLink(a, b, 100.0 + 7 * a) for a, b in links))


CITIES = [f"City {i}" for i in range(5)]


@pytest.mark.parametrize("graph", [metro(8), from_published(ladder(20), CITIES, CITIES)], ids=["metro", "published"])
def test_large_networks_and_many_devices_are_drawn(tmp_path: Path, graph: object) -> None:
    folder = write_run(tmp_path / "run", handovers=1, graph=graph, devices=200)  # type: ignore[arg-type]
    page = Page(report.write_run(folder))
    assert "core" in page.sections["network"]
    assert re.search(r"\b(25|40|41) devices", page.sections["network"])


def test_a_folder_that_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no manifest\.json"):
        report.write_run(tmp_path)
    with pytest.raises(RunError, match="at least one"):
        report.write_comparison([], tmp_path)


def test_an_expectation_that_failed_is_told_as_such_and_takes_no_trust_away(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_text())
    changed = manifest.model_copy(update={"status": "failed", "reasons": ("max of lost at most 2: found 8",)})
    (folder / "manifest.json").write_text(changed.model_dump_json())
    page = Page(report.write_run(folder))
    assert "The measurement can be trusted" in page.sections["header"]
    assert page.row("vip-immediate: max of lost at most 2")[-1] == "fails"


def test_tables_as_the_measurement_writes_them_become_a_timeline(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", handovers=1)
    tables = Tables(folder / "tables")
    t0 = 10**18
    change = Change("ue1", "attach", t0, t0 + 10**9, "ap1", "ap2", t0 - 30_000_000, "mec1", "mec2", t0 + 2_000_000)
    seen = [
        ProbeSeen("ue1", 1, t0 - 40_000_000, t0 - 33_000_000, "mec1"),
        ProbeSeen("ue1", 2, t0 - 20_000_000, None, ""),
        ProbeSeen("ue1", 3, t0 + 3_000_000, t0 + 10_000_000, "mec2"),
    ]
    requests = [RequestSeen("ue1", 1, 1, t0 - 10_000_000, t0 + 20_000_000, "mec2")]
    tables.probes(seen)
    tables.requests(requests)
    tables.handovers([(change, metrics.outcome(change, metrics.Track(seen, requests), []))])
    measured = run.read(folder)
    window = measured.filled(measured.windows[0])
    assert (window.detach_ms, window.decision_ms) == (-30, 2)
    assert [(reply.at_ms, reply.rtt_ms, reply.host) for reply in window.replies] == [(-33, 7, "mec1"), (10, 7, "mec2")]
    assert window.lost_ms == (-20,)
    assert [(request.sent_ms, request.done_ms) for request in window.requests] == [(-10, 20)]
