"""The device agent: probes and a TCP session from one epoll loop, probes first.

Probes leave at absolute times and come before everything else in each turn of the loop; replies, the session
and the logs take the time between. It ends at SIGTERM: stops probing, waits shortly for what is on its way,
closes the session with a FIN and writes its logs.
"""

import gc
import logging
import select
import signal
import socket
import time
from ipaddress import IPv4Address, IPv6Address

from hosts.prober import Prober
from hosts.program import Context
from hosts.records import Log, ProbeRecords, session_lines
from hosts.session import Session
from hosts.session_socket import SessionSocket
from meclab.plan import Plan, PlannedDevice

log = logging.getLogger(__name__)
_FIRST_AFTER_NS = 2_000_000
"""From ready to the first probe."""
_DRAIN_S = 0.2
"""How long the end waits for replies on their way."""
_SESSION_ROWS = 16


def main(context: Context) -> int:
    """Probes until SIGTERM."""
    gc.disable()
    realtime = context.hurry()
    agent = Agent(context)
    signal.signal(signal.SIGTERM, lambda *_: agent.stop())
    agent.start()
    context.ready()
    log.info("probing %s, real-time priority: %s", agent.server, realtime)
    agent.run()
    agent.finish()
    return 0


def server_of(plan: Plan, device: PlannedDevice) -> IPv4Address | IPv6Address:
    """Where the device's client sends to, in the plan's family."""
    server = device.server_ipv4 if plan.family == "ipv4" else device.server_ipv6
    assert server is not None, "only methods that tell it at the start"
    return server


def in_turn(earliest_ns: int, interval_ns: int, index: int, count: int) -> int:
    """The first instant that is the turn of one of `count` devices in a cycle of `interval_ns`.

    Devices that all send at the same interval would otherwise send at the same instants, and measure the burst.
    """
    phase_ns = interval_ns * index // count
    return earliest_ns + (phase_ns - earliest_ns) % interval_ns


class Agent:
    """One device's probes and session."""

    def __init__(self, context: Context) -> None:
        plan, name = context.plan, context.node
        self.server = server_of(plan, plan.device(name))
        logs = context.run_dir / "logs"
        self._realtime_offset_ns = time.time_ns() - time.monotonic_ns()
        self._probe_log = Log(logs / f"{name}-probes.csv", "sequence,sent_ns,received_ns,host")
        self._session_log = Log(logs / f"{name}-session.csv", "request,connection,sent_ns,done_ns,host,outcome")
        self._records = ProbeRecords(self._probe_log)
        self._prober = Prober(name, self.server, plan.probes.interval, self._records)
        earliest_ns = time.monotonic_ns() + _FIRST_AFTER_NS
        turn = [device.name for device in plan.devices].index(name), len(plan.devices)
        self._start_ns = in_turn(earliest_ns, plan.probes.interval, *turn)
        session_start_ns = in_turn(earliest_ns, plan.session.interval, *turn)
        self._session = Session(plan.session.interval, plan.session.timeout, session_start_ns)
        self._tcp = SessionSocket(name, self.server, self._session)
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._poll = select.epoll()
        self._watched: socket.socket | None = None
        self._watched_for = 0

    def start(self) -> None:
        """The first probe leaves a moment later."""
        for source in (self._prober.timer, self._prober.socket, self._tcp.timer, self._stop_reader):
            self._poll.register(source.fileno(), select.EPOLLIN)
        self._prober.start(self._start_ns)

    def stop(self) -> None:
        """Ends `run`; may be called from a signal handler."""
        self._stop_writer.send(b"1")

    def run(self) -> None:
        """Until `stop`."""
        stopping = self._stop_reader.fileno()
        while True:
            ready = {fd for fd, _ in self._poll.poll()}
            self._turn(ready)
            if stopping in ready:
                self._poll.unregister(stopping)
                return

    def finish(self) -> None:
        """Takes what is on its way, closes the session, writes the logs."""
        self._prober.timer.stop()
        deadline = time.monotonic() + _DRAIN_S
        while (self._records.waiting or self._session.outstanding) and (left := deadline - time.monotonic()) > 0:
            self._turn({fd for fd, _ in self._poll.poll(left)})
        self._tcp.finish()
        self._records.write_all()
        self._write_session(at_least=1)
        self._summarise()

    def _turn(self, ready: set[int]) -> None:
        """Serves what is ready, probes first."""
        prober, tcp = self._prober, self._tcp
        if prober.timer.fileno() in ready:
            prober.send_due()
        if prober.socket.fileno() in ready:
            prober.receive()
        if self._watched is not None and self._watched.fileno() in ready:
            tcp.ready()
            self._watch()
        if tcp.timer.fileno() in ready:
            tcp.wake()
            self._watch()
        self._records.write_some(time.time_ns())
        self._write_session(_SESSION_ROWS)

    def _watch(self) -> None:
        """Follows the session's socket, which is another after a reconnect; closing took the old one out of epoll."""
        wanted = select.EPOLLOUT if self._tcp.connecting else select.EPOLLIN
        if self._tcp.socket is not self._watched:
            self._watched = self._tcp.socket
            if self._watched is not None:
                self._poll.register(self._watched.fileno(), wanted)
        elif self._watched is not None and wanted != self._watched_for:
            self._poll.modify(self._watched.fileno(), wanted)
        self._watched_for = wanted

    def _write_session(self, at_least: int) -> None:
        if len(self._session.attempts) >= at_least:
            self._session_log.write(session_lines(self._session.attempts, self._realtime_offset_ns))
            self._session.attempts.clear()

    def _summarise(self) -> None:
        late = self._prober.lateness
        log.info(
            "%d probes, late p50 %.2f ms, p99 %.2f ms; unsent %d, strays %d; %d requests; %d log lines lost",
            late.count,
            late.quantile_ms(0.5),
            late.quantile_ms(0.99),
            self._prober.unsent,
            self._prober.strays,
            self._session.request,
            self._probe_log.unwritten + self._session_log.unwritten,
        )
