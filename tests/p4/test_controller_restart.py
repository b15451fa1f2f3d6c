"""The controller over P4Runtime against the lab's switch: one that is killed and comes back gets its rules again."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from finsy import Switch, SwitchOptions

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from controller_plans import make_plan, settled

from controller.coordinator import Coordinator
from controller.p4runtime import P4RuntimeChannel
from meclab.messages import RuleClass, Transaction
from meclab.p4 import Endpoint
from topologies import p4tables

pytestmark = pytest.mark.p4
PROJECT = Path(__file__).parents[2]
PLAN = make_plan(2)
NODE = PLAN.node("core")
WAIT_S = 40.0
"""A gRPC client waits some seconds before it tries a switch again that was gone."""


def await_true(condition, what):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.01)


class RunningSwitch:
    """`python -m dataplane run`, without ports: its tables alone are looked at."""

    def __init__(self, bundle, port):
        self.at = Endpoint("127.0.0.1", port, NODE.dpid)
        own = ["--grpc", str(self.at), "--device-id", str(NODE.dpid)]
        argv = [sys.executable, "-m", "dataplane", "run", str(bundle), *own]
        self.process = subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().startswith("ready")

    def entries(self):
        return {str(entry).partition(" packets=")[0] for entry in p4tables.read("core", self.at)}

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Controller:
    """The coordinator with one switch, and finsy's event loop in a thread."""

    def __init__(self, at):
        self.coordinator = Coordinator(PLAN)
        self.channels = []
        self._at = at
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._serve())
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)

    async def _serve(self):
        options = SwitchOptions(device_id=NODE.dpid, ready_handler=self._connected)
        await Switch("core", str(self._at), options).run()

    async def _connected(self, switch):
        channel = P4RuntimeChannel(switch, NODE)
        self.channels.append(channel)
        self.coordinator.switch_connected(channel)
        try:
            await channel.run()
        finally:
            self.coordinator.switch_disconnected(channel)

    def end(self):
        self._loop.call_soon_threadsafe(self._task.cancel)

    @property
    def is_ready(self):
        return "core" in self.coordinator.switches.ready


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    out = tmp_path_factory.mktemp("edge")
    program = PROJECT / "dataplane" / "programs" / "edge.p4"
    argv = [sys.executable, "-m", "dataplane", "compile", str(program), "-o", str(out)]
    subprocess.run(argv, cwd=PROJECT, check=True, capture_output=True)
    return out


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_switch_that_is_killed_and_comes_back_holds_its_rules_again(bundle, port):
    switch = RunningSwitch(bundle, port)
    controller = Controller(switch.at)
    try:
        await_true(lambda: controller.is_ready, "the switch, ready")
        _, served = settled(PLAN)
        start = Transaction(attach=dict(served.attachments), serve=dict(served.serving))
        assert "core" not in controller.coordinator.transact(start).unreached
        held = switch.entries()
        assert any(line.startswith("steer_ipv6") and "class=steer" in line for line in held)
        switch.kill()
        await_true(lambda: not controller.is_ready, "the end of the connection")
        move = Transaction(attach={"ue1": "ap2"}, serve={"ue1": "mec2"})
        assert "core" in controller.coordinator.transact(move).unreached
        switch = RunningSwitch(bundle, port)
        await_true(lambda: controller.is_ready, "the switch, ready again")
        now = switch.entries()
        assert now != held
        assert any(PLAN.node("mec2").mac in line and str(PLAN.device("ue1").ipv4) in line for line in now)
        assert len(now) == len(held)
    finally:
        controller.end()
        switch.kill()


def test_rules_are_there_when_the_barrier_is_answered_and_gone_when_their_removal_is(bundle, port):
    switch = RunningSwitch(bundle, port)
    controller = Controller(switch.at)
    try:
        await_true(lambda: controller.is_ready, "the switch, ready")
        rules, served = settled(PLAN)
        (channel,) = controller.channels
        steer = [rule for rule in rules.of_switch(served, "core") if rule.kind is RuleClass.STEER]
        before = switch.entries()
        assert channel.send(steer, then=RuleClass.STEER).wait(time.monotonic() + WAIT_S)
        assert len(switch.entries() - before) == len(steer)
        assert channel.send([], steer, then=RuleClass.STEER).wait(time.monotonic() + WAIT_S)
        assert switch.entries() == before
    finally:
        controller.end()
        switch.kill()
