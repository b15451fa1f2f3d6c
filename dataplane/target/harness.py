"""A program in the kernel without interfaces: packets go in and come out by `BPF_PROG_TEST_RUN`."""

from types import TracebackType
from typing import Protocol, Self

from dataplane.compiler.layout import DROPS, MAXIMUM_PACKET, OUTPUTS, Drop
from dataplane.target.bpf import BpfMap, BpfObject, RefusedError, RingBuffer, Slice
from dataplane.target.verdict import explain

SHIM_SIZE = 14
"""Bytes in front of each packet, of which the first four are its port: the kernel takes no frame below 14 bytes."""
CONFIG = ".rodata.config"
"""The section with what is set before a program is loaded: `u32 testing`."""
TESTING = {CONFIG: (1).to_bytes(4, "little")}


class Loadable(Protocol):
    """What the harness needs of a compiled program."""

    @property
    def name(self) -> str: ...

    @property
    def c(self) -> str: ...

    @property
    def object(self) -> bytes: ...


class Harness:
    """A compiled program, loaded for tests; its maps are there by name."""

    def __init__(self, compiled: Loadable) -> None:
        """Raises `CompileError` with the place in the P4 source that the kernel refuses."""
        try:
            self.maps = BpfObject(compiled.object, compiled.name[:15], TESTING)
        except RefusedError as error:
            raise explain(error, compiled.c, compiled.name) from error
        self._outputs = RingBuffer(self.maps.maps[OUTPUTS].fd)

    def __getitem__(self, name: str) -> BpfMap | Slice:
        return self.maps[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._outputs.close()
        self.maps.close()

    def send(self, port: int, packet: bytes) -> list[tuple[int, bytes]]:
        """All that leaves for a packet of 0 to 2 034 bytes that comes in at a port: (port, packet), in order."""
        self.maps.test_run(self._shimmed(port, packet))
        return [_output(record) for record in self._outputs.read()]

    def measure(self, port: int, packet: bytes, repeat: int) -> int:
        """Mean nanoseconds of a packet."""
        mean = self.maps.test_run(self._shimmed(port, packet), repeat).mean_ns
        self._outputs.read()
        return mean

    def drops(self) -> dict[Drop, int]:
        """How many packets were dropped, by why."""
        counts = {}
        for kind in Drop:
            value = self.maps[DROPS].lookup(kind.to_bytes(4, "little"))
            counts[kind] = int.from_bytes(value or b"", "little")
        return counts

    def _shimmed(self, port: int, packet: bytes) -> bytes:
        if len(packet) + SHIM_SIZE > MAXIMUM_PACKET:
            raise ValueError(f"found a packet of {len(packet)} bytes, expected at most {MAXIMUM_PACKET - SHIM_SIZE}")
        return port.to_bytes(4, "little").ljust(SHIM_SIZE, b"\0") + packet


def _output(record: bytes) -> tuple[int, bytes]:
    port, length = (int.from_bytes(record[place : place + 4], "little") for place in (0, 4))
    return port, record[8 : 8 + length]
