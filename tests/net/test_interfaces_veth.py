"""veth pairs of the kernel's kind of link: ends in their namespaces, frames as a wire would carry them."""

import json
import subprocess
import sys

import pytest

from topologies import sandbox

pytestmark = pytest.mark.net
CODE = """
import json, subprocess
from topologies import interfaces, layout, links
from meclab.scenario import LinkShape
other = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; cat"], stdin=-1, stdout=-1)
other.stdout.readline()
enter = ["nsenter", f"--target={other.pid}", "--net"]
ends = layout.End("a0", None), layout.End("b0", other.pid, "02:00:00:00:00:09")
links._veth(layout.WiredLink("a-b", *ends, LinkShape()))
run = lambda *argv: subprocess.run(argv, capture_output=True, text=True, check=True).stdout
print(json.dumps({
    "here": run("ip", "-br", "link"), "there": run(*enter, "ip", "-br", "link"),
    "a0": run("ethtool", "-k", "a0"), "b0": run(*enter, "ethtool", "-k", "b0"),
}))
"""


@pytest.fixture(scope="module")
def found():
    process = sandbox.start([sys.executable, "-c", CODE], stdout=subprocess.PIPE)
    output, _ = process.communicate(timeout=30)
    return json.loads(output)


def test_each_end_is_in_its_namespace_with_its_mac(found):
    assert "a0@" in found["here"]
    assert "b0@" not in found["here"]
    assert "02:00:00:00:00:09" in found["there"]


@pytest.mark.parametrize("interface", ["a0", "b0"])
@pytest.mark.parametrize(
    "offload", ["tx-checksumming", "scatter-gather", "generic-segmentation-offload", "tx-tcp-segmentation"]
)
def test_what_would_hide_frames_from_their_readers_is_off(found, interface, offload):
    line = next(line for line in found[interface].splitlines() if line.strip().startswith(f"{offload}:"))
    assert line.split()[1] == "off"
