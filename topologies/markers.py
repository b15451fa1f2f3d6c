"""The interface `lab0`: where instants that are not packets are made packets, to be captured with the rest."""

import socket
from ipaddress import IPv4Address

from meclab.packets import MARKER_PORT
from meclab.plan import MARKER_INTERFACE
from topologies import interfaces

SINK = IPv4Address("169.254.77.2")
_SOURCE = IPv4Address("169.254.77.1")
_SINK_INTERFACE = "lab1"
_SINK_MAC = "02:00:5e:00:02:02"
_SOURCE_MAC = "02:00:5e:00:02:01"


def open_socket() -> socket.socket:
    """Makes `lab0` in this namespace and a socket that sends markers out of it.

    The socket stays in this namespace wherever a process that inherits it goes. What it sends ends at `lab0`'s
    peer, where nobody listens: the neighbour is a fixed entry, so that the first marker leaves at once.
    """
    with interfaces.netlink(None) as kernel:
        kernel.veth(MARKER_INTERFACE, _SINK_INTERFACE, mac=_SOURCE_MAC, peer_mac=_SINK_MAC)
        interfaces.offloads_off(None, MARKER_INTERFACE)
        kernel.up(_SINK_INTERFACE)
        kernel.up(MARKER_INTERFACE)
        kernel.address(MARKER_INTERFACE, _SOURCE, 30)
        kernel.neighbour(MARKER_INTERFACE, SINK, _SINK_MAC)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sender.connect((str(SINK), MARKER_PORT))
    return sender
