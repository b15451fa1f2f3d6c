"""What `./lab bench p4` measures with."""

import pytest

from dataplane.measurement import packets
from dataplane.target.bpf import BpfObject

pytestmark = pytest.mark.p4


@pytest.mark.parametrize("protocol", [packets.UDP, packets.TCP])
@pytest.mark.parametrize("make", [packets.standin, packets.edge])
def test_the_measured_packets_are_routed(make, protocol):
    loaded: BpfObject
    with make() as loaded:
        outcome = loaded.test_run(packets.frame(protocol))
    assert outcome.result == packets.REDIRECTED
    assert outcome.packet[:6] == packets.GATEWAY, "the next hop"
    assert outcome.packet[22] == 63, "one off the TTL"
