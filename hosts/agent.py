"""The device agent: probes, a TCP session, and what finds its server, from one epoll loop, probes first.

Probes leave at absolute times and come before everything else in each turn of the loop; replies, the session,
lookups and the logs take the time between. It is ready when its server is known, or after a while without. It ends
at SIGTERM: stops probing, waits shortly for what is on its way, closes the session with a FIN and writes its logs.
"""

import gc
import logging
import signal
import socket
import time
from collections.abc import Callable

from hosts.device import methods, resolvconf
from hosts.device.cache import Address, Flush
from hosts.device.connection import Connection
from hosts.device.control import Control
from hosts.device.loop import Loop
from hosts.device.prober import Prober
from hosts.device.records import Discoveries, Log, ProbeRecords, session_lines
from hosts.device.renumbering import Renumbering
from hosts.device.resolver import Resolver
from hosts.device.servers import Server
from hosts.device.session import Session
from hosts.device.tls import TlsClient
from hosts.program import Context
from meclab.messages import RediscoveryNotice, ResolverNotice

log = logging.getLogger(__name__)
_FIRST_AFTER_NS = 2_000_000
"""From ready to the first probe."""
_KNOWN_WITHIN_S = 2.0
"""How long it waits for its first server before it is ready without one."""
_DRAIN_S = 0.2
"""How long the end waits for replies on their way."""
_GOODBYE_S = 0.3
"""How long it waits for the deletion of an application context."""
_SESSION_ROWS = 16


def main(context: Context) -> int:
    """Probes until SIGTERM."""
    gc.disable()
    realtime = context.hurry()
    agent = Agent(context)
    signal.signal(signal.SIGTERM, lambda *_: agent.stop())
    agent.discover()
    context.ready()
    log.info("probing %s, real-time priority: %s", agent.server or "nobody yet", realtime)
    agent.start()
    agent.run()
    agent.finish()
    return 0


def in_turn(earliest_ns: int, interval_ns: int, index: int, count: int) -> int:
    """The first instant that is the turn of one of `count` devices in a cycle of `interval_ns`.

    Devices that all send at the same interval would otherwise send at the same instants, and measure the burst.
    """
    phase_ns = interval_ns * index // count
    return earliest_ns + (phase_ns - earliest_ns) % interval_ns


class Agent:
    """One device's probes, session and discovery."""

    def __init__(self, context: Context) -> None:
        plan, name = context.plan, context.node
        device, logs = plan.device(name), context.run_dir / "logs"
        self._plan = plan
        self._name = name
        self._resolv_conf = resolvconf.ResolvConf(resolvconf.own(name), plan.stub)
        self._realtime_offset_ns = time.time_ns() - time.monotonic_ns()
        self._probe_log = Log(logs / f"{name}-probes.csv", "sequence,sent_ns,received_ns,host")
        self._session_log = Log(logs / f"{name}-session.csv", "request,connection,sent_ns,done_ns,host,outcome")
        self._discovery_log = Log(logs / f"{name}-discovery.csv", "at_ns,what,server,detail")
        note = Discoveries(self._discovery_log).note
        self._note = note
        self._records = ProbeRecords(self._probe_log)
        trail = plan.dataplane == "p4"
        self._prober = Prober(name, plan.family, plan.probes.interval, self._records, trail=trail)
        self._loop = Loop(self._prober.send_due)
        self._session = Session(plan.session.interval, plan.session.timeout, lifetime_ns=plan.session.lifetime)
        tls = TlsClient(context.run_dir / "tls" / "ca.pem", logs / f"{name}-tls-keys.log") if plan.http.tls else None
        self._connection = Connection(self._loop, name, self._session, note, self._aim, tls)
        handed = device.resolver_ipv4 if plan.family == "ipv4" else device.resolver_ipv6
        self._resolver = Resolver(self._loop, plan.stub, device.stretches_ttl, handed, note)
        self._discovery = methods.discovery(plan, device, self._loop, self._connection, self._resolver, note)
        self._connection.discovery = self._discovery
        self._control = Control(self._loop, name, self._told)
        self._renumbering = Renumbering(self._loop, self._lost) if plan.renumbers else None
        self._resolv_conf.write(device.resolver_ipv4, device.resolver_ipv6)
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._stopping = False
        self._loop.watch(self._prober.timer, self._prober.send_due, first=True)
        self._loop.watch(self._prober.socket, self._prober.receive, first=True)
        self._loop.watch(self._stop_reader, self._stopped)

    @property
    def server(self) -> Server | None:
        """Where the client connects to, as far as it knows."""
        return self._connection.server

    def discover(self) -> None:
        """Finds the first server; returns without one after a while, and goes on looking in `run`."""
        self._discovery.find(time.monotonic_ns())
        self._turn_until(lambda: self.server is not None or self._stopping, _KNOWN_WITHIN_S)
        if self.server is not None:
            self._aim(self.server)

    def start(self) -> None:
        """The first probe leaves a moment later."""
        plan, earliest_ns = self._plan, time.monotonic_ns() + _FIRST_AFTER_NS
        turn = [device.name for device in plan.devices].index(self._name), len(plan.devices)
        self._prober.start(in_turn(earliest_ns, plan.probes.interval, *turn))
        self._connection.begin(in_turn(earliest_ns, plan.session.interval, *turn))

    def stop(self) -> None:
        """Ends `run`; may be called from a signal handler."""
        self._stop_writer.send(b"1")

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopping:
            self._turn()

    def finish(self) -> None:
        """Takes what is on its way, closes the session, writes the logs."""
        self._prober.timer.stop()
        self._turn_until(lambda: not (self._records.waiting or self._session.outstanding), _DRAIN_S)
        self._connection.finish()
        self._say_goodbye()
        self._resolver.close()
        self._records.write_all()
        self._write_session(at_least=1)
        self._summarise()

    def _turn(self, timeout_s: float | None = None) -> None:
        self._loop.turn(timeout_s)
        self._records.write_some(time.time_ns())
        self._write_session(_SESSION_ROWS)

    def _turn_until(self, condition: Callable[[], bool], within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not condition() and (left := deadline - time.monotonic()) > 0:
            self._turn(left)

    def _stopped(self) -> None:
        self._loop.forget(self._stop_reader)
        self._stopping = True

    def _aim(self, server: Server) -> None:
        """Probes follow the client."""
        if server.probed:
            self._prober.aim(server.address)

    def _say_goodbye(self) -> None:
        said: list[bool] = []
        self._discovery.finish(lambda: said.append(True))
        self._turn_until(lambda: bool(said), _GOODBYE_S)

    def _told(self, notice: ResolverNotice | RediscoveryNotice) -> Callable[[], None]:
        """Carries out what the network tells the device; what is left to do after the acknowledgement."""
        if isinstance(notice, ResolverNotice):
            address: Address = notice.ipv4 if self._plan.family == "ipv4" else notice.ipv6
            changed = self._resolver.hand(address)
            which = Flush() if changed and self._plan.stub.flush_on_resolver_change else None
            self._resolv_conf.write(notice.ipv4, notice.ipv6)
        else:
            which = Flush(notice.impact, notice.prefixes, notice.names)
            self._note("rediscovery", "", str(which))
        if which is None:
            return lambda: None
        self._resolver.flush(which)
        return lambda: self._discovery.dropped(which, time.monotonic_ns())

    def _lost(self, address: Address) -> None:
        """The device has another address than before: what was begun with the old one is over."""
        self._note("renumbered", "", f"{address} is gone")
        self._resolver.lost(address)
        self._discovery.renumbered(address, time.monotonic_ns())
        self._connection.lost(address)

    def _write_session(self, at_least: int) -> None:
        if len(self._session.attempts) >= at_least:
            self._session_log.write(session_lines(self._session.attempts, self._realtime_offset_ns))
            self._session.attempts.clear()

    def _summarise(self) -> None:
        late, logs = self._prober.lateness, (self._probe_log, self._session_log, self._discovery_log)
        log.info(
            "%d probes, late p50 %.2f ms, p99 %.2f ms; unsent %d, without a server %d, strays %d; %d requests; "
            "%d datagrams that were no notice; %d log lines lost",
            late.count,
            late.quantile_ms(0.5),
            late.quantile_ms(0.99),
            self._prober.unsent,
            self._prober.unaddressed,
            self._prober.strays,
            self._session.request,
            self._control.garbage,
            sum(written.unwritten for written in logs),
        )
