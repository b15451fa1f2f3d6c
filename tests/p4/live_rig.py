"""A switch process on three veths in a network namespace of its own, and sockets at their other ends."""

import asyncio
import ctypes
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

from finsy import P4TableAction, P4TableEntry, P4TableMatch, Switch, SwitchOptions

PROJECT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
PORTS = (1, 2, 3)
CPU_PORT = 510
DEVICE = 5
WAIT_S = 10
ENDING = ("setpriv", "--pdeathsig", "KILL")
"""Processes end with the tests' own, however that ends."""
TYPE = 0x1234
CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID, PACKET_VNET_HDR = 263, 8, 0x10, 15
FORWARD, CHOOSE, GROUP, CLONE, PUNT, LEARN, METER, REGISTER, SPREAD, ROUTE = range(10)
"""What `live.p4` does with a frame."""


def frame(what=FORWARD, dst=1, src=2, tos=0, index=0, source=0, destination=0, payload=b"payload", size=0):
    """A frame of `live.p4`, `size` bytes long if that is more."""
    ethernet = dst.to_bytes(6, "big") + src.to_bytes(6, "big") + TYPE.to_bytes(2, "big")
    return (ethernet + struct.pack("!BBHII", what, tos, index, source, destination) + payload).ljust(size, b"\0")


def fence(port):
    """A frame to a port, by an entry of `hosts`: what was sent before it has left before it."""
    return frame(dst=0xFE00 + port, payload=b"fence")


class Network:
    """A namespace with veths vN (the switch's) and eN."""

    def __init__(self):
        self._holder = subprocess.Popen([*ENDING, "unshare", "--net", "sleep", "infinity"])
        self.path = f"/proc/{self._holder.pid}/ns/net"
        own = Path("/proc/self/ns/net").stat().st_ino
        end = time.monotonic() + WAIT_S
        while Path(self.path).stat().st_ino == own:
            assert time.monotonic() < end, "no namespace"
            os.sched_yield()
        self.sockets = {}
        for port in PORTS:
            self.plug(port)

    def ip(self, *arguments):
        subprocess.run([*self.inside(), "ip", *arguments], check=True, timeout=WAIT_S, capture_output=True)

    def inside(self):
        return ["nsenter", f"--net={self.path}"]

    def plug(self, port):
        """Makes a port's interface, and opens a socket at the other end."""
        here, there = f"v{port}", f"e{port}"
        self.ip("link", "add", here, "type", "veth", "peer", "name", there)
        quiet = f"echo 1 >/proc/sys/net/ipv6/conf/{there}/disable_ipv6"
        subprocess.run([*self.inside(), "sh", "-c", quiet], check=True, timeout=WAIT_S)
        self.ip("link", "set", there, "up")
        self.sockets[port] = self._inside(lambda: _packet_socket(there))

    def output(self, *command):
        """What a command says in the namespace."""
        done = subprocess.run([*self.inside(), *command], check=True, capture_output=True, text=True, timeout=WAIT_S)
        return done.stdout

    def superpacket(self, port):
        """Sends a TCP segment of 3 000 bytes with the order to cut it, as a host does that leaves it to its card."""

        def send():
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as opened:
                opened.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
                opened.bind((f"e{port}", 0x0800))
                ip = struct.pack("!BBHHHBBHII", 0x45, 0, 3040, 0, 0, 64, 6, 0, 0x0A000001, 0x0A000002)
                tcp = struct.pack("!HHIIBBHHH", 1, 2, 0, 0, 0x50, 0x10, 100, 0, 0)
                order = struct.pack("BBHHHH", 1, 1, 54, 1000, 34, 16)
                opened.send(order + bytes(12) + b"\x08\x00" + ip + tcp + bytes(3000))

        self._inside(send)

    def unplug(self, port):
        self.sockets.pop(port).close()
        self.ip("link", "del", f"v{port}")

    def close(self):
        for each in self.sockets.values():
            each.close()
        self._holder.kill()
        self._holder.wait()

    def _inside(self, action):
        """What an action gives in the namespace; a thread of its own goes there."""
        results = []

        def visit():
            library = ctypes.CDLL(None, use_errno=True)
            descriptor = os.open(self.path, os.O_RDONLY)
            assert library.setns(descriptor, CLONE_NEWNET) == 0
            os.close(descriptor)
            results.append(action())

        thread = threading.Thread(target=visit)
        thread.start()
        thread.join()
        return results[0]


def _packet_socket(interface):
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    made.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    made.setblocking(False)
    made.bind((interface, 0x0003))
    return made


class SwitchProcess:
    """`./lab p4 run`, ready."""

    def __init__(self, network, folder, program=None, *options):
        self.address = f"unix:{folder}/p4runtime.sock"
        self.log = (folder / "log").open("w+")
        ports = [each for port in PORTS for each in ("--port", f"{port}=v{port}")]
        command = [sys.executable, "-m", "dataplane", "run", *([program] if program else []), *ports]
        more = ["--grpc", self.address, "--device-id", str(DEVICE), "--cpu-port", str(CPU_PORT), *options]
        self.process = subprocess.Popen(
            [*ENDING, *network.inside(), *command, *more],
            stdout=subprocess.PIPE,
            stderr=self.log,
            cwd=PROJECT,
            text=True,
        )
        self.ready = self._line()

    def _line(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            line = self.process.stdout.readline() if selector.select(30) else ""
        assert line.startswith("ready: "), self.said()
        return line

    def said(self):
        return Path(self.log.name).read_text()

    async def says(self, text):
        """Waits until the log has a text."""
        end = time.monotonic() + WAIT_S
        while text not in self.said():
            assert time.monotonic() < end, f"not said: {text}; said: {self.said()}"
            await asyncio.sleep(0.01)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(timeout=WAIT_S)
        self.process.stdout.close()
        self.log.close()
        return self.process.returncode


class Live:
    """The switch with a finsy client, and frames through it."""

    def __init__(self, network, switch, client):
        self.network = network
        self.switch = switch
        self.client = client

    async def insert(self, *entities):
        await self.client.insert(list(entities))

    async def modify(self, *entities):
        await self.client.modify(list(entities))

    async def delete(self, *entities):
        await self.client.delete(list(entities))

    async def read(self, entities):
        return [entity async for entity in self.client.read(entities)]

    def send(self, data, port=1):
        self.network.sockets[port].send(data)

    async def receive(self, port):
        """The next frame that leaves by a port."""
        opened = self.network.sockets[port]
        await asyncio.sleep(0)  # the client gets its turn, however many frames there are
        while True:
            try:
                return _whole(*opened.recvmsg(1 << 16, 256)[:2])
            except BlockingIOError:
                await asyncio.wait_for(_readable(opened), WAIT_S)

    async def outputs(self, data, port=1):
        """Everything that leaves because of a frame, as (port, frame); fences tell when it is all."""
        self.send(data, port)
        return await self.collect(port)

    async def collect(self, port=1):
        for each in PORTS:
            self.send(fence(each), port)
        found = []
        for each in PORTS:
            while (data := await self.receive(each)) != fence(each):
                found.append((each, data))
        return found


async def _readable(opened):
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(opened, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(opened)


def _whole(data, ancillary):
    """A frame with the VLAN tag that the kernel took out and tells beside it."""
    for level, kind, content in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, tci, tpid = struct.unpack("I12xHH", content)
            if status & TP_STATUS_VLAN_VALID:
                return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


def host(dst, port, action="counted", **fields):
    """An entry of `hosts`."""
    call = P4TableAction(action, port=port) if action == "counted" else P4TableAction(action)
    return P4TableEntry("hosts", match=P4TableMatch(dst=dst), action=call, **fields)


FENCES = [host(0xFE00 + port, port) for port in PORTS]


@asynccontextmanager
async def connected(network, switch, folder, force=True, fences=True):
    """A finsy client that has put `live.p4` on the switch."""
    options = SwitchOptions(
        p4info=folder / "live.p4info.txt", p4blob=folder / "live.bundle", device_id=DEVICE, p4force=force
    )
    async with Switch("sw", switch.address, options) as client:
        live = Live(network, switch, client)
        if fences:
            await live.insert(*FENCES)
        yield live
