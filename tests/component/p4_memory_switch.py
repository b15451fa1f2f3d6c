"""A P4Runtime server on loopback whose programs run nowhere: their maps are in memory."""

import sys
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "p4"))

import handmade
from finsy.proto import p4r
from memory_maps import memory_maps
from rig import Clock, Rig

from dataplane.target.device import Device
from dataplane.target.pipeline import Surroundings
from dataplane.target.server import Service, serve
from meclab.errors import LabError

__all__ = ["Clock", "Rig", "handmade", "memory_switch"]


class MemoryProgram:
    def __init__(self, bundle):
        self.maps = memory_maps(bundle.layout)
        self.closed = False

    def close(self):
        assert not self.closed, "closed twice"
        self.closed = True


class MemoryPlane:
    """Loads any bundle whose object is not `bad`; `forwarding` is the program on the ports."""

    def __init__(self):
        self.loaded = []
        self.forwarding = None

    def load(self, bundle):
        if bundle.object == b"bad":
            raise LabError("the kernel refuses the program: a.p4:3:5")
        self.loaded.append(MemoryProgram(bundle))
        return self.loaded[-1]

    def commit(self, loaded, pipeline):
        assert not loaded.closed
        self.forwarding = loaded


class MemorySwitch:
    """The server's parts, for tests to look at and to act as packets."""

    def __init__(self):
        self.rig = Rig()
        self.plane = MemoryPlane()
        self.clock = Clock()
        self.sent = []
        self.device = Device(5, self.plane, Surroundings(clock=self.clock, cpu_port=510))
        self.service = Service(self.device, self._send)
        self.address = ""

    def _send(self, message):
        self.sent.append(self.device.running.headers.packet_out(message))

    def config(self, bundle=None, cookie=None):
        bundle = bundle or self.rig.bundle()
        config = p4r.ForwardingPipelineConfig(p4info=bundle.p4info, p4_device_config=bundle.encode())
        if cookie is not None:
            config.cookie.cookie = cookie
        return config

    def packet_in(self, frame):
        packet = self.device.running.headers.packet_in(frame)
        self.device.tell_primary(p4r.StreamMessageResponse(packet=packet))


@asynccontextmanager
async def memory_switch():
    """The switch, serving on `address`."""
    switch = MemorySwitch()
    server, port = await serve(switch.service, "127.0.0.1:0")
    switch.address = f"127.0.0.1:{port}"
    try:
        yield switch
    finally:
        await server.stop(0)
