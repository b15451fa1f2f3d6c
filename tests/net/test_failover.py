"""A MEC host fails, and the method that had everything of the device on it finds another one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.net, pytest.mark.timeout(300)]
PROJECT = Path(__file__).parents[2]
SCENARIO = """
scenario: failover
methods: [edge-dns]
dns: {ttl: 1s}
stub: {timeout: 500ms, tries: 3}
devices: [{name: ue1, ap: ap1}]
events:
  - {at: 1s, fail: {host: mec1, how: silence}}
  - {at: 5s, restore: {host: mec1}}
  - {at: 9s, fail: {host: mec1, how: link}}
  - {at: 13s, restore: {host: mec1}}
duration: 17500ms
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The public result of a run in which the device's host, and its local resolver, cannot be reached twice."""
    folder = tmp_path_factory.mktemp("failover")
    (folder / "failover.yaml").write_text(SCENARIO)
    argv = [sys.executable, "-m", "experiments", "run", str(folder / "failover.yaml"), "--json", "--out", str(folder)]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_device_comes_to_the_other_host_although_its_resolver_was_on_the_silent_one(failed: dict[str, Any]) -> None:
    silent, _, cut, _ = failed["handovers"]
    for change in (silent, cut):
        assert (change["from_host"], change["to_host"], change["served_by"]) == ("mec1", "mec2", "mec2")
        assert change["steer_ms"] is not None
        assert change["learned_by"] == "dns"


def test_it_is_handed_the_resolver_of_the_other_host_and_its_own_again(failed: dict[str, Any]) -> None:
    rows = (Path(failed["run_dir"]) / "logs" / "ue1-discovery.csv").read_text().splitlines()[1:]
    told = [row.split(",") for row in rows]
    handed = [server for _, what, server, detail, *_ in told if (what, detail) == ("resolver", "another")]
    assert handed == ["10.1.2.10", "10.1.1.10", "10.1.2.10", "10.1.1.10"]


def test_it_comes_back_when_its_host_is_back(failed: dict[str, Any]) -> None:
    assert [change["served_by"] for change in failed["handovers"]] == ["mec2", "mec1", "mec2", "mec1"]
