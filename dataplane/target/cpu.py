"""The CPU port: a TAP of the switch's own, through which packets go to and come from controllers."""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress

from dataplane.target.attach import quiet
from dataplane.target.interfaces import TAP_MTU, open_tap
from dataplane.target.refusal import Code, Refusal

log = logging.getLogger(__name__)

BURST = 64
"""Frames that are read before others get their turn."""


class CpuPort:
    """The TAP; it is a port of the program like any other."""

    def __init__(self) -> None:
        self._descriptor, self.interface = open_tap("p4cpu%d")
        quiet(self.interface)

    def start(self, receive: Callable[[bytes], None]) -> None:
        """Hands every frame that the program sends to this port to `receive`."""
        asyncio.get_running_loop().add_reader(self._descriptor, self._read, receive)

    def send(self, frame: bytes) -> None:
        """Puts a frame into the program; `Refusal` where the kernel does not take it."""
        try:
            os.write(self._descriptor, frame)
        except OSError as error:
            raise Refusal(Code.INTERNAL, f"packet-out: the kernel does not take the frame: {error}") from error

    def close(self) -> None:
        with suppress(RuntimeError):
            asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self, receive: Callable[[bytes], None]) -> None:
        for _ in range(BURST):
            try:
                frame = os.read(self._descriptor, TAP_MTU + 64)
            except BlockingIOError:
                return
            except OSError as error:  # the interface is down, or was taken away
                log.warning("CPU port: %s", error)
                asyncio.get_running_loop().remove_reader(self._descriptor)
                return
            receive(frame)
