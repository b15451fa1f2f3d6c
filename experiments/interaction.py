"""An interactive lab's answers to requests from other terminals (`experiments.control`)."""

import contextlib
import os
import signal
import threading
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from experiments.control import ControlServer, Handler
from experiments.lab import Lab
from meclab import check
from meclab.errors import LabError, Problem, ScenarioError
from meclab.scenario import Failure, LinkChange, Restore


def serve(lab: Lab) -> None:
    """Answers requests until the lab is told to end."""
    interaction = Interaction(lab)
    ControlServer(lab.run_dir, interaction.handlers())
    lab.serve()


class Interaction:
    """What a user may ask of a running lab; requests are answered one at a time."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._one_at_a_time = threading.Lock()
        self._cli_pid: int | None = None

    def handlers(self) -> dict[str, Handler]:
        """Request name to handler."""
        plain = {
            "move": self.move,
            "link": self.link,
            "link-down": self.link_down,
            "link-up": self.link_up,
            "fail": self.fail,
            "restore": self.restore,
            "trace": self.trace,
        }
        served = {name: self._serialised(handler) for name, handler in plain.items()}
        return served | {"cli": self.cli, "interrupt-cli": self.interrupt_cli}

    def _serialised(self, handler: Handler) -> Handler:
        def answer(fields: dict[str, Any], fds: list[int]) -> Any:
            with self._one_at_a_time:
                return handler(fields, fds)

        return answer

    def _known(self, key: str, name: str, valid: list[str]) -> str:
        if name not in valid:
            raise ScenarioError([Problem((key,), repr(name), check.nearest(name, valid))])
        return name

    def move(self, fields: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
        """Moves a device as its radio says; answers when the move has begun."""
        device = self._known("device", fields["device"], [device.name for device in self._lab.plan.devices])
        ap = self._known("access point", fields["ap"], [ap.name for ap in self._lab.plan.access_points])
        before = self._lab.network.attachments()[device]
        self._lab.handover(device, ap)
        return {"from": before, "to": ap}

    def link(self, fields: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
        """Changes a link; answers with what holds now."""
        try:
            change = LinkChange.model_validate(fields["change"])
        except ValidationError as error:
            first = error.errors()[0]
            raise ScenarioError([Problem(("link", *first["loc"]), repr(first["input"]), first["msg"])]) from error
        shape = self._lab.network.change_link(*change.between, change)
        return shape.model_dump(mode="json", exclude_none=True)

    def link_down(self, fields: dict[str, Any], _fds: list[int]) -> None:
        self._lab.link_down(fields["a"], fields["b"])

    def link_up(self, fields: dict[str, Any], _fds: list[int]) -> None:
        self._lab.link_up(fields["a"], fields["b"])

    def fail(self, fields: dict[str, Any], _fds: list[int]) -> None:
        self._lab.timeline.fail(Failure(host=self._host(fields), how=fields["how"]))

    def restore(self, fields: dict[str, Any], _fds: list[int]) -> None:
        self._lab.timeline.restore(Restore(host=self._host(fields)))

    def _host(self, fields: dict[str, Any]) -> str:
        return self._known("host", fields["host"], [node.name for node in self._lab.plan.mec_hosts])

    def trace(self, fields: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
        """The path that a packet takes now."""
        hops = self._lab.network.trace(fields["source"], fields["destination"], fields["family"])
        return {"hops": [asdict(hop) for hop in hops]}

    def cli(self, _fields: dict[str, Any], fds: list[int]) -> None:
        """Mininet's prompt on the terminal whose descriptors came along, in a process of its own.

        The process shares the shells of Mininet's hosts with this one, which leaves them alone meanwhile.
        """
        if self._cli_pid is not None:
            raise LabError("the prompt is open in another terminal already")
        self._cli_pid = os.fork()
        if self._cli_pid == 0:
            _prompt(self._lab, fds)
        os.waitpid(self._cli_pid, 0)
        self._cli_pid = None

    def interrupt_cli(self, _fields: dict[str, Any], _fds: list[int]) -> None:
        """Ctrl-C on the terminal of the prompt."""
        if self._cli_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._cli_pid, signal.SIGINT)


def _prompt(lab: Lab, fds: list[int]) -> None:
    """Runs in the forked process and never returns."""
    from mininet.cli import CLI

    try:
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        CLI(lab.network.mininet)
    finally:
        os._exit(0)
