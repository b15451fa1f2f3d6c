"""Who serves whom, as the orchestrator has told a host: what redirects go by. No host has a view of its own."""

from collections.abc import Mapping

from meclab.errors import PeerError
from meclab.messages import Serving
from meclab.plan import Plan

_SESSION = "/session/"


class UnknownNames(PeerError):
    """A message names devices or hosts that the plan does not have; a reason for each."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Assignments:
    """Device to serving host, the latest decision of each."""

    def __init__(self, plan: Plan) -> None:
        self.update = 0
        """The highest that was told."""
        self._by_address = {str(address): device.name for device in plan.devices for address in device.owned}
        self._devices = {device.name for device in plan.devices}
        self._hosts = set(plan.runs("app"))
        self._told: dict[str, tuple[int, str]] = {}
        """Device to the update that told its host, and the host."""

    def take(self, told: Serving) -> int:
        """Takes decisions in; what is older than what is known of a device changes nothing. How many hosts changed.

        Raises `UnknownNames` before anything has changed.
        """
        reasons = [_unknown("device", name, self._devices) for name in told.serving if name not in self._devices]
        reasons += [
            f"{device}: {_unknown('host', host, self._hosts)}"
            for device, host in told.serving.items()
            if host not in self._hosts
        ]
        if reasons:
            raise UnknownNames(reasons)
        before = self.serving
        for device, host in told.serving.items():
            if told.update > self._told.get(device, (-1, ""))[0]:
                self._told[device] = told.update, host
        self.update = max(self.update, told.update)
        return sum(before.get(device) != host for device, host in self.serving.items())

    @property
    def serving(self) -> Mapping[str, str]:
        """Device to host, of every device that was decided for."""
        return {device: host for device, (_, host) in sorted(self._told.items())}

    def host(self, device: str) -> str | None:
        """The host that serves a device; none before the first decision."""
        told = self._told.get(device)
        return None if told is None else told[1]

    def device(self, address: str, path: str) -> str | None:
        """Who asks: by source address, else by the session's name in the path; none for anybody else."""
        if (device := self._by_address.get(address)) is not None:
            return device
        name = path.removeprefix(_SESSION) if path.startswith(_SESSION) else ""
        return name if name in self._devices else None


def _unknown(kind: str, name: str, known: set[str]) -> str:
    return f"{kind} {name!r}; expected one of {', '.join(sorted(known))}"
