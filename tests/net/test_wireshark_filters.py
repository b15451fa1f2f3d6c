"""The documented display filters show what they promise, in a fresh capture of each method."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments import wireshark

pytestmark = [pytest.mark.net, pytest.mark.timeout(600)]


@pytest.mark.parametrize("one", wireshark.filters(), ids=lambda one: f"{one.method}-{one.name}".replace(" ", "-"))
def test_a_filter_shows_at_least_what_the_document_says(
    compared: dict[str, dict[str, Any]], one: wireshark.Filter
) -> None:
    rows = [row for row in compared.values() if one.method in ("all", row["method"])]
    assert rows
    for row in rows:
        capture = Path(row["run_dir"]) / "captures" / f"{one.file}.pcapng"
        environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(wireshark.FOLDER)}
        argv = ["tshark", "-C", wireshark.PROFILE, "-r", str(capture), "-Y", one.filter]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert len(done.stdout.splitlines()) >= one.at_least, f"{row['method']}: {done.stderr}"
