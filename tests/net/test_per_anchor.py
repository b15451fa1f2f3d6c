"""Devices that have another address at each access point: every method brings them to the decided host all the same,
and no TCP connection outlives a move."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.net, pytest.mark.timeout(400)]
PROJECT = Path(__file__).parents[2]
METHODS = ("vip:immediate", "vip:pinned", "ecs", "edge-dns", "devapp", "easdf", "bgp-anycast")
SCENARIO = f"""
scenario: renumbered
address: per-anchor
methods: [{", ".join(METHODS)}]
dns: {{ttl: 1s, ecs_source: address}}
stub: {{timeout: 500ms, tries: 3}}
devices: [{{name: ue1, ap: ap1}}]
events:
  - {{at: 1s, handover: {{device: ue1, to: ap2}}}}
  - {{at: 4500ms, handover: {{device: ue1, to: ap1}}}}
duration: 8500ms
"""
AT = {"ap1": "100.64.1.1", "ap2": "100.64.2.1"}
Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The public result of each method's run, by the method's name as it is written."""
    folder = tmp_path_factory.mktemp("renumbered")
    (folder / "renumbered.yaml").write_text(SCENARIO)
    argv = [sys.executable, "-m", "experiments", "run", str(folder / "renumbered.yaml"), "--json", "--out", str(folder)]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=380, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(METHODS, map(json.loads, done.stdout.splitlines()), strict=True))


def found(row: dict[str, Any], node: str, wanted: str, field: str) -> list[str]:
    """A field of the packets of one capture that a display filter picks out, by tshark."""
    words = ("tshark", "-r", str(Path(row["run_dir"]) / "captures" / f"{node}.pcapng"), "-T", "fields", "-e", field)
    done = subprocess.run([*words, "-Y", wanted], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("method", METHODS)
def test_the_device_comes_to_the_decided_host(moved: Rows, method: str) -> None:
    changes = moved[method]["handovers"]
    assert [change["to_host"] for change in changes] == ["mec2", "mec1"]
    assert [change["served_by"] for change in changes] == ["mec2", "mec1"]
    assert all(change["steer_ms"] is not None for change in changes)


@pytest.mark.parametrize("method", METHODS)
def test_its_connection_breaks_at_each_move_and_the_next_one_stands_before_a_timeout(moved: Rows, method: str) -> None:
    with (Path(moved[method]["run_dir"]) / "tables" / "connections.csv").open() as file:
        endings = [row["ending"] for row in csv.DictReader(file)]
    assert endings.count("renumbered") == 2
    changes = moved[method]["handovers"]
    # With vip:immediate the next connection may be opened before the network steers the new address, and breaks too.
    assert {change["resets"] for change in changes} <= ({1, 2} if method == "vip:immediate" else {1})
    assert min(change["interruption_ms"] for change in changes) < 900, "a first segment that is lost takes a second"


@pytest.mark.parametrize("method", METHODS)
def test_frames_leave_an_access_point_with_its_addresses_but_for_one_that_was_being_sent(
    moved: Rows, method: str
) -> None:
    for ap, other in (("ap1", "ap2"), ("ap2", "ap1")):
        here = f'frame.interface_name == "{ap}-radio"'
        assert len(found(moved[method], "switches", f"{here} && ip.src == {AT[ap]}", "ip.src")) > 300
        assert len(found(moved[method], "switches", f"{here} && ip.src == {AT[other]}", "ip.src")) <= 1


def test_the_resolver_is_told_the_access_point_s_prefix_by_the_device_s_own_address(moved: Rows) -> None:
    wanted = "dns.opt.client.addr4 && dns.flags.response == 0"
    assert set(found(moved["ecs"], "adns", wanted, "dns.opt.client.addr4")) == {"100.64.1.0", "100.64.2.0"}
