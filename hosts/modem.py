"""The device without its client: takes what the network tells it over the air, and keeps its /etc/resolv.conf.

For a lab without measurements (`lab up`), where people's own programs are the clients; with measurements the agent
does the same and more.
"""

import signal
import socket
from collections.abc import Callable

from hosts.device import resolvconf
from hosts.device.control import Control
from hosts.device.loop import Loop
from hosts.program import Context
from meclab.messages import RediscoveryNotice, ResolverNotice


def main(context: Context) -> int:
    """Acknowledges notices until SIGTERM."""
    device = context.plan.device(context.node)
    file = resolvconf.ResolvConf(resolvconf.own(context.node), context.plan.stub)
    file.write(device.resolver_ipv4, device.resolver_ipv6)

    def told(notice: ResolverNotice | RediscoveryNotice) -> Callable[[], None]:
        """`dig` and `curl` keep no answers: there is nothing to drop."""
        if isinstance(notice, ResolverNotice):
            file.write(notice.ipv4, notice.ipv6)
        return lambda: None

    loop, ended = Loop(), False
    stop_reader, stop_writer = socket.socketpair()

    def end() -> None:
        nonlocal ended
        ended = True

    Control(loop, context.node, told)
    loop.watch(stop_reader, end)
    signal.signal(signal.SIGTERM, lambda *_: stop_writer.send(b"1"))
    context.ready()
    while not ended:
        loop.turn()
    return 0
