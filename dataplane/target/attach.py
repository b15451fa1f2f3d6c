"""The switch's ports: interfaces by number, which may disappear and come back, and the program on each of them."""

import errno
import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dataplane.compiler.layout import PORT_NUMBERS, PORTS
from dataplane.target import hook, offloads
from dataplane.target.interfaces import bring_up
from dataplane.target.kernel import Program
from dataplane.target.maps import number
from meclab.errors import InputError

log = logging.getLogger(__name__)


@dataclass
class Port:
    """A port; `index` is its interface's, 0 while there is none."""

    number: int
    interface: str
    index: int = 0
    own: bool = False
    """The switch made the interface itself."""


@dataclass
class Ports:
    """The ports, and the program that is on them."""

    ports: list[Port]
    program: Program | None = None
    told: set[str] = field(default_factory=set)

    def open(self) -> None:
        """Finds every interface and readies it; `InputError` where one is missing."""
        for port in self.ports:
            try:
                port.index = socket.if_nametoindex(port.interface)
            except OSError:
                there = ", ".join(name for _, name in socket.if_nameindex() if name != "lo") or "none"
                raise InputError(
                    f"--port {port.number}={port.interface}: found no interface {port.interface}; there are: {there}"
                ) from None
            self._ready(port)

    def commit(self, program: Program) -> None:
        """Puts a program on every port in place of the one before, on each in one step."""
        before = self.program
        self._tell(program)
        done: list[Port] = []
        try:
            for port in self.ports:
                if port.index:
                    self._attach(port, program)
                    done.append(port)
        except Exception:
            if before is not None:
                for port in done:
                    hook.attach(port.index, before.fd)
            raise
        self.program = program

    def review(self) -> None:
        """After any change of interfaces: takes out what has gone, puts in what has come."""
        indices = {name: index for index, name in socket.if_nameindex()}
        for port in self.ports:
            index = indices.get(port.interface, 0)
            if index == port.index:
                continue
            if port.index:
                log.warning("port %d: interface %s has gone; packets for it are dropped", port.number, port.interface)
                self._forget(port)
            port.index = index
            if index:
                self._return(port)

    def close(self) -> None:
        """Takes the program from every port."""
        for port in self.ports:
            if port.index:
                hook.detach(port.index)

    def _return(self, port: Port) -> None:
        try:
            self._ready(port)
            if self.program is not None:
                self._attach(port, self.program)
                self._tell(self.program)
        except OSError as error:
            # It has gone again; the next change of interfaces tells.
            port.index = 0
            log.warning("port %d: interface %s is not usable: %s", port.number, port.interface, error)
        else:
            log.warning("port %d: interface %s is there again", port.number, port.interface)

    def _attach(self, port: Port, program: Program) -> None:
        try:
            hook.attach(port.index, program.fd)
        except OSError as error:
            if error.errno not in (errno.ENODEV, errno.EINVAL):
                raise
            log.warning("port %d: interface %s has gone", port.number, port.interface)
            self._forget(port)

    def _forget(self, port: Port) -> None:
        if self.program is not None:
            self.program.maps[PORTS].update(number(port.number), number(0))
            self.program.maps[PORT_NUMBERS].delete(number(port.index))
        port.index = 0

    def _tell(self, program: Program) -> None:
        for port in self.ports:
            program.maps[PORTS].update(number(port.number), number(port.index))
            if port.index:
                program.maps[PORT_NUMBERS].update(number(port.index), number(port.number))

    def _ready(self, port: Port) -> None:
        quiet(port.interface)
        if not port.own and not offloads.switch_off(port.interface) and port.interface not in self.told:
            self.told.add(port.interface)
            log.warning(
                "port %d: offloads at the other end of %s cannot be switched off from here; what it sends is counted",
                port.number,
                port.interface,
            )
        bring_up(port.interface)


def quiet(interface: str) -> None:
    """The kernel itself is not to speak IPv6 on a port."""
    with suppress(OSError):
        Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6").write_text("1")


def ports_of(numbered: Mapping[int, str]) -> list[Port]:
    """Ports from `--port N=INTERFACE`."""
    return [Port(number_, interface) for number_, interface in sorted(numbered.items())]
