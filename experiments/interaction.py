"""An interactive lab's answers to requests from other terminals (`experiments.control`)."""

import threading
import time
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from experiments.control import ControlServer, Handler
from experiments.lab import Lab
from meclab import check
from meclab.errors import InputError, Problem, ScenarioError
from meclab.packets import Marker
from meclab.scenario import Failure, LinkChange, Pin, Restore
from meclab.topology import FAILING


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
            "policy": self.policy,
            "change-policy": self.change_policy,
            "pin": self.pin,
            "decisions": self.decisions,
        }
        return {name: self._serialised(handler) for name, handler in plain.items()}

    def _serialised(self, handler: Handler) -> Handler:
        def answer(fields: dict[str, Any]) -> Any:
            with self._one_at_a_time:
                return handler(fields)

        return answer

    def _known(self, key: str, name: str, valid: list[str]) -> str:
        if name not in valid:
            raise ScenarioError([Problem((key,), repr(name), check.nearest(name, valid))])
        return name

    def move(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Moves a device as its radio says; answers when the move has begun."""
        device = self._known("device", fields["device"], [device.name for device in self._lab.plan.devices])
        ap = self._known("access point", fields["ap"], [ap.name for ap in self._lab.plan.access_points])
        before = self._lab.network.attachments()[device]
        self._lab.handover(device, ap)
        return {"from": before, "to": ap}

    def link(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Changes a link; answers with what holds now."""
        try:
            change = LinkChange.model_validate(fields["change"])
        except ValidationError as error:
            first = error.errors()[0]
            raise ScenarioError([Problem(("link", *first["loc"]), repr(first["input"]), first["msg"])]) from error
        self._lab.change_link(change)
        return self._lab.network.shape(*change.between).model_dump(mode="json", exclude_none=True)

    def link_down(self, fields: dict[str, Any]) -> None:
        self._lab.link_down(fields["a"], fields["b"])

    def link_up(self, fields: dict[str, Any]) -> None:
        self._lab.link_up(fields["a"], fields["b"])

    def fail(self, fields: dict[str, Any]) -> None:
        self._lab.timeline.fail(Failure(host=self._failing(fields), how=fields["how"]))

    def restore(self, fields: dict[str, Any]) -> None:
        host = self._failing(fields)
        if not self._lab.timeline.has_failed(host):
            raise InputError(f"{host} has not failed")
        self._lab.timeline.restore(Restore(host=host))

    def _failing(self, fields: dict[str, Any]) -> str:
        return self._known("host", fields["host"], [node.name for node in self._lab.plan.by_role(*FAILING)])

    def _host(self, fields: dict[str, Any]) -> str:
        return self._known("host", fields["host"], [node.name for node in self._lab.plan.mec_hosts])

    def policy(self, _: dict[str, Any]) -> dict[str, Any]:
        """The orchestrator's policy and pins."""
        return self._lab.operator.policy()

    def change_policy(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Changes the policy; answers with what holds now and the devices whose host changed."""
        self._lab.mark(Marker("policy", time.time_ns(), fields["change"]))
        return self._lab.operator.change_policy(fields["change"])

    def pin(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Pins a device to a host, or with none ends its pin; answers with the devices whose host changed."""
        device = self._known("device", fields["device"], [device.name for device in self._lab.plan.devices])
        host = None if fields["host"] is None else self._host(fields)
        return {"changed": self._lab.timeline.pin(Pin(device=device, host=host))}

    def decisions(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        """The orchestrator's audit log after a number."""
        return self._lab.operator.decisions(int(fields["after"]))

    def trace(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The path that a packet takes now."""
        hops = self._lab.network.trace(fields["source"], fields["destination"], fields["family"])
        return {"hops": [asdict(hop) for hop in hops]}
