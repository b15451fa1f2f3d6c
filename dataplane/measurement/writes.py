"""How many table entries a second a switch takes over P4Runtime, and what a lookup costs among many."""

import asyncio
import statistics
import struct
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
from finsy.proto import p4r, p4r_grpc

from dataplane.compiler.bundle import Bundle
from dataplane.compiler.compiled import compile_program
from dataplane.compiler.layout import PORT_NUMBERS, PORTS
from dataplane.measurement.packets import REDIRECTED
from dataplane.target.device import Device
from dataplane.target.kernel import Program, settle
from dataplane.target.maps import number
from dataplane.target.pipeline import Pipeline, Surroundings
from dataplane.target.server import Service, serve
from meclab.errors import RunError

EXACT = Path(__file__).with_name("exact.p4")
BATCH = 1000
HELD = (1, 1_000, 10_000, 100_000)
"""Entries in the table when a lookup is measured."""
_PASSES, _RUNS = 1000, 50


class _Plane:
    """Programs in the kernel, on no port."""

    def load(self, bundle: Bundle) -> Program:
        return Program(bundle)

    def commit(self, loaded: object, pipeline: Pipeline) -> None:
        """Nothing: there is no port."""


async def rates() -> dict[str, float]:
    """`entries_per_s` in batches of 1 000 up to 100 000 entries, and `lookup_ns_N` of a packet with N entries there."""
    bundle = compile_program(EXACT).bundle
    device = Device(1, _Plane(), Surroundings(settle=settle))
    device.start(p4r.ForwardingPipelineConfig(p4info=bundle.p4info, p4_device_config=bundle.encode()))
    server, port = await serve(Service(device, lambda message: None), "127.0.0.1:0")
    found: dict[str, float] = {}
    took_s = 0.0
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = p4r_grpc.P4RuntimeStub(channel)
            stream = stub.StreamChannel(_arbitration())
            await stream.read()
            written = 0
            for held in HELD:
                for request in list(_requests(bundle, written, held)):
                    began = time.perf_counter()
                    await stub.Write(request)
                    took_s += time.perf_counter() - began
                written = held
                found[f"lookup_ns_{held}"] = _lookup(device)
            stream.cancel()
    finally:
        await server.stop(0)
    return found | {"entries_per_s": HELD[-1] / took_s}


async def _arbitration() -> AsyncIterator[p4r.StreamMessageRequest]:
    """The one controller, for as long as it listens."""
    election = p4r.Uint128(low=1)
    yield p4r.StreamMessageRequest(arbitration=p4r.MasterArbitrationUpdate(device_id=1, election_id=election))
    await asyncio.Event().wait()


def _requests(bundle: Bundle, start: int, end: int) -> Iterator[p4r.WriteRequest]:
    table = bundle.p4info.tables[0]
    output = next(action for action in bundle.p4info.actions if action.preamble.alias == "output").preamble.id
    for first in range(start, end, BATCH):
        request = p4r.WriteRequest(device_id=1, election_id=p4r.Uint128(low=1))
        for station in range(first, min(first + BATCH, end)):
            update = request.updates.add(type=p4r.Update.INSERT)
            entry = update.entity.table_entry
            entry.table_id = table.preamble.id
            match = entry.match.add(field_id=table.match_fields[0].id)
            match.exact.value = (0x02_00_00_00_00_00 + station).to_bytes(6, "big")
            entry.action.action.action_id = output
            entry.action.action.params.add(param_id=1, value=b"\x01")
        yield request


def _lookup(device: Device) -> float:
    """Median nanoseconds of a packet for the first entry."""
    assert device.running is not None
    loaded = device.running.loaded
    assert isinstance(loaded, Program)
    for interface in (0, 1):  # the kernel's test runs have one of these
        loaded.maps[PORT_NUMBERS].update(number(interface), number(1))
    loaded.maps[PORTS].update(number(1), number(1))
    frame = (0x02_00_00_00_00_00).to_bytes(6, "big") + struct.pack("!6xH46x", 0x88B5)
    runs = [loaded.test_run(frame, _PASSES) for _ in range(_RUNS)]
    if runs[0].result != REDIRECTED:
        raise RunError(f"the packet is not forwarded: found result {runs[0].result}, expected {REDIRECTED}")
    return statistics.median(run.mean_ns for run in runs)
