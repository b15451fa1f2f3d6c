"""Which controller may write: P4Runtime's client arbitration (section "Client Arbitration and Controller Replication").

Pure: a controller is any object that identifies a stream. Only the default role is there.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from finsy.proto import p4r, rpc_status

from dataplane.target.refusal import Code, Refusal, denied, invalid, missing, precondition, unimplemented

MOST_CONTROLLERS = 64


@dataclass(frozen=True)
class Notice:
    """An answer to one controller."""

    controller: Hashable
    message: p4r.StreamMessageResponse


class Arbitration:
    """The controllers of one device, with their election ids; a larger id wins, none never does."""

    def __init__(self, device_id: int) -> None:
        self._device_id = device_id
        self._ids: dict[Hashable, int | None] = {}
        self._highest: int | None = None
        """The highest id ever seen: who has it is primary, and nobody else."""

    @property
    def primary(self) -> Hashable | None:
        """The controller that may write, none where it has gone."""
        if self._highest is None:
            return None
        return next((controller for controller, held in self._ids.items() if held == self._highest), None)

    @property
    def controllers(self) -> int:
        return len(self._ids)

    def update(self, controller: Hashable, message: p4r.MasterArbitrationUpdate) -> list[Notice]:
        """A controller's `MasterArbitrationUpdate`; raises `Refusal`, which ends its stream."""
        self._check(controller, message)
        election_id = decode(message.election_id) if message.HasField("election_id") else None
        taken = {held for other, held in self._ids.items() if other != controller and held is not None}
        if election_id in taken:
            raise invalid(
                f"arbitration: found election id {election_id} of another controller; expected one of its own"
            )
        before = self.primary
        self._ids[controller] = election_id
        if election_id is not None and (self._highest is None or election_id >= self._highest):
            self._highest = election_id
            # Others first: when the new primary hears of it, nobody else believes to be primary.
            others = [other for other in self._ids if other != controller]
            return [self._notice(other) for other in [*others, controller]]
        if before == controller:
            return [self._notice(each) for each in self._ids]
        return [self._notice(controller)]

    def leave(self, controller: Hashable) -> list[Notice]:
        """A controller's stream has ended."""
        was_primary = self.primary == controller
        self._ids.pop(controller, None)
        return [self._notice(other) for other in self._ids] if was_primary else []

    def permit(self, request: p4r.WriteRequest | p4r.SetForwardingPipelineConfigRequest) -> None:
        """Refuses a request that is not the primary's."""
        self.expect_device(request.device_id)
        if request.role or request.role_id:
            raise missing(f"found role {request.role or request.role_id!r}; expected none, the default role is the one")
        election_id = decode(request.election_id) if request.HasField("election_id") else None
        if self.primary is None or election_id != self._highest:
            raise denied(
                f"found election id {'none' if election_id is None else election_id}; "
                + ("no controller is primary" if self.primary is None else f"the primary's is {self._highest}")
            )

    def expect_device(self, device_id: int) -> None:
        if device_id != self._device_id:
            raise missing(f"found device id {device_id}; expected {self._device_id}")

    def _check(self, controller: Hashable, message: p4r.MasterArbitrationUpdate) -> None:
        if controller in self._ids and message.device_id != self._device_id:
            raise precondition(
                f"arbitration: found device id {message.device_id}; expected {self._device_id} as before"
            )
        self.expect_device(message.device_id)
        if message.role.name or message.role.id:
            role = message.role.name or message.role.id
            raise unimplemented(f"arbitration: found role {role!r}; expected none, the default role is the one")
        if message.role.HasField("config"):
            raise invalid("arbitration: found a role config; expected none for the default role")
        if controller not in self._ids and len(self._ids) >= MOST_CONTROLLERS:
            raise Refusal(
                Code.RESOURCE_EXHAUSTED, f"arbitration: {len(self._ids)} controllers are there; expected no more"
            )

    def _notice(self, controller: Hashable) -> Notice:
        primary = self.primary
        if controller == primary:
            status = rpc_status.Status(code=Code.OK, message="this controller is primary")
        elif primary is not None:
            status = rpc_status.Status(code=Code.ALREADY_EXISTS, message="another controller is primary")
        else:
            status = rpc_status.Status(code=Code.NOT_FOUND, message="no controller is primary")
        update = p4r.MasterArbitrationUpdate(device_id=self._device_id, status=status)
        if self._highest is not None:
            update.election_id.CopyFrom(encode(self._highest))
        return Notice(controller, p4r.StreamMessageResponse(arbitration=update))


def decode(value: p4r.Uint128) -> int:
    return int(value.high << 64 | value.low)


def encode(value: int) -> p4r.Uint128:
    return p4r.Uint128(high=value >> 64, low=value & (1 << 64) - 1)
