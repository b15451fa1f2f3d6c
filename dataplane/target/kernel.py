"""Compiled programs in the kernel."""

import ctypes
from collections.abc import Iterable
from functools import cache

from dataplane.compiler.bundle import Bundle
from dataplane.compiler.layout import DIGESTS, DROPS, Drop
from dataplane.target.bpf import BpfObject, Outcome, RefusedError, RingBuffer
from dataplane.target.maps import Maps, number
from dataplane.target.verdict import explain

MEMBARRIER = 324
GLOBAL = 1
"""`MEMBARRIER_CMD_GLOBAL`: the kernel waits for an RCU grace period, and tc programs run within RCU."""


class Program:
    """A loaded program; it stays while a port has it, and while this is open."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises `CompileError` with the place in the P4 source that the kernel refuses."""
        try:
            self._object = BpfObject(bundle.object, "p4")
        except RefusedError as error:
            raise explain(error, bundle.c, bundle.name) from error
        self.digests = RingBuffer(self._object.maps[DIGESTS].fd) if DIGESTS in self._object.maps else None

    @property
    def maps(self) -> Maps:
        return self._object

    @property
    def fd(self) -> int:
        return self._object.program_fd

    def close(self) -> None:
        if self.digests is not None:
            self.digests.close()
        self._object.close()

    def test_run(self, frame: bytes, repeat: int) -> Outcome:
        """What becomes of a frame that comes in so often (`BPF_PROG_TEST_RUN`)."""
        return self._object.test_run(frame, repeat)

    def drops(self) -> dict[str, int]:
        """Packets by why they did not leave; `OFFLOADED` ones were superpackets, and passed."""
        counts = {}
        for reason in Drop:
            value = self._object[DROPS].lookup(number(reason)) or b""
            counts[reason.name] = sum(_numbers(value))
        return counts


def _numbers(value: bytes) -> Iterable[int]:
    """Of one element: one number, or one for each CPU."""
    return (int.from_bytes(value[start : start + 8], "little") for start in range(0, len(value), 8))


def settle() -> None:
    """Returns when no packet is in a program that was in it before the call."""
    _library().syscall(MEMBARRIER, GLOBAL, 0, 0)


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
