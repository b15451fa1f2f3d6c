"""netem on real interfaces, where the kernel has it."""

import subprocess
from collections.abc import Iterator

import pytest

from experiments.benchmarks.sites import Site, pings
from meclab.errors import SetupError
from meclab.scenario import LinkShape
from topologies.netem import NetemEnds, NetemLinks
from topologies.remote import RefusedError

pytestmark = pytest.mark.net


@pytest.fixture
def sites() -> Iterator[tuple[Site, Site]]:
    with Site() as a, Site() as b:
        a.run("ip", "link", "add", "x", "type", "veth", "peer", "name", "x", "netns", str(b.pid))
        a.address("x", "10.0.0.1/24")
        b.address("x", "10.0.0.2/24")
        yield a, b


def shaped(sites: tuple[Site, Site], shape: LinkShape) -> NetemLinks:
    a, b = sites
    try:
        return NetemLinks([NetemEnds("a-b", (a.pid, "x"), (b.pid, "x"), shape)], 1)
    except SetupError as error:
        pytest.skip(str(error))


def least_rtt_ms(site: Site) -> float | None:
    """By ping's own clock: a capture at the sender sees a packet only after the sender's netem."""
    words = ("ping", "-n", "-q", "-W1", "-i0.1", "-c5", "10.0.0.2")
    done = subprocess.run(site.command(*words), capture_output=True, text=True, check=False)
    _, found, summary = done.stdout.partition("min/avg/max/mdev = ")
    return float(summary.split("/")[0]) if found else None


def test_delay_changes_and_goes_while_the_link_is_up(sites: tuple[Site, Site]) -> None:
    links = shaped(sites, LinkShape(delay="20ms"))
    before_ms = least_rtt_ms(sites[0])
    links.change("a-b", LinkShape(delay="40ms"))
    after_ms = least_rtt_ms(sites[0])
    assert before_ms is not None and after_ms is not None and 40 <= before_ms < 80 <= after_ms
    links.down("a-b")
    assert least_rtt_ms(sites[0]) is None
    links.up("a-b")
    assert least_rtt_ms(sites[0]) is not None


def test_jitter_keeps_order(sites: tuple[Site, Site]) -> None:
    shaped(sites, LinkShape(delay="50ms", jitter="40ms"))
    numbers = [number for number, _ in pings(sites[0], "x", "10.0.0.2", 60, 0.002)]
    assert len(numbers) == 60 and numbers == sorted(numbers)


def test_a_shape_that_netem_cannot_honour_is_refused(sites: tuple[Site, Site]) -> None:
    links = shaped(sites, LinkShape())
    with pytest.raises(RefusedError, match="reorder with a rate"):
        links.change("a-b", LinkShape(jitter="1ms", reorder=True, rate="1Mbit"))


def test_a_kernel_without_netem_is_named_with_the_remedy(sites: tuple[Site, Site]) -> None:
    a, b = sites
    command = a.command("tc", "qdisc", "add", "dev", "lo", "root", "netem")
    tried = subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
    if tried.returncode == 0:
        pytest.skip("this kernel has netem")
    with pytest.raises(SetupError, match="modprobe sch_netem"):
        NetemLinks([NetemEnds("a-b", (a.pid, "x"), (b.pid, "x"), LinkShape())], 1)
