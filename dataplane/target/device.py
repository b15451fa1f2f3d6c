"""One P4Runtime device: its pipeline configs, and who may change what. It knows no gRPC and no interfaces."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Protocol

from finsy.proto import p4r

from dataplane.compiler.bundle import Bundle, decode
from dataplane.target.arbitration import Arbitration, Notice
from dataplane.target.maps import Maps
from dataplane.target.masks import Masks
from dataplane.target.packetio import PacketHeaders
from dataplane.target.pipeline import Pipeline, Surroundings
from dataplane.target.refusal import Code, Refusal, invalid, missing, precondition, unimplemented
from meclab.errors import LabError

BREATH = 256
"""Updates after which others get their turn."""
SetConfig = p4r.SetForwardingPipelineConfigRequest
GetConfig = p4r.GetForwardingPipelineConfigRequest
Result = tuple[Code, str]
"""Of one update or read request in a batch."""


class Loaded(Protocol):
    """A program in the kernel."""

    @property
    def maps(self) -> Maps: ...

    def close(self) -> None:
        """Gives it up; packets that are in it still leave."""


class Plane(Protocol):
    """What runs programs."""

    def load(self, bundle: Bundle) -> Loaded:
        """Brings a program into the kernel, on no port yet; `LabError` where it cannot be."""

    def commit(self, loaded: Loaded, pipeline: Pipeline) -> None:
        """Puts it on every port in place of the one before."""


@dataclass(frozen=True)
class Configured:
    """A pipeline config and what was made of it."""

    config: p4r.ForwardingPipelineConfig
    loaded: Loaded
    pipeline: Pipeline
    headers: PacketHeaders


class Device:
    """The device; `tell` takes messages for controllers."""

    def __init__(
        self, device_id: int, plane: Plane, around: Surroundings, tell: Callable[[Notice], None] = lambda notice: None
    ) -> None:
        self.arbitration = Arbitration(device_id)
        self.tell = tell
        self._plane = plane
        self._around = around
        self._lock = asyncio.Lock()
        self._running: Configured | None = None
        self._saved: Configured | None = None
        self._tidying: asyncio.Task[None] | None = None

    @property
    def running(self) -> Configured | None:
        """What forwards packets."""
        return self._running

    # controllers

    async def arbitrate(self, controller: Hashable, message: p4r.MasterArbitrationUpdate) -> None:
        """A controller comes, or changes its election id; the primary hears when writes of the one before are done."""
        before = self.arbitration.primary
        notices = self.arbitration.update(controller, message)
        for notice in notices[:-1]:
            self.tell(notice)
        if before not in (None, controller):
            async with self._lock:
                pass
        self.tell(notices[-1])

    def leave(self, controller: Hashable) -> None:
        for notice in self.arbitration.leave(controller):
            self.tell(notice)

    def tell_primary(self, message: p4r.StreamMessageResponse) -> None:
        """A packet-in, digest or idle notification."""
        primary = self.arbitration.primary
        if primary is not None:
            self.tell(Notice(primary, message))

    # entities

    async def write(self, request: p4r.WriteRequest) -> list[Result]:
        """What became of each update, in their order; raises `Refusal` for the request as a whole."""
        async with self._lock:
            self.arbitration.permit(request)
            if request.atomicity != p4r.WriteRequest.CONTINUE_ON_ERROR:
                name = p4r.WriteRequest.Atomicity.Name(request.atomicity) if request.atomicity in (1, 2) else "unknown"
                raise unimplemented(
                    f"found atomicity {name}; expected CONTINUE_ON_ERROR, the one that can be kept here"
                )
            pipeline = self._addressed().pipeline
            results = []
            for count, update in enumerate(request.updates, 1):
                results.append(_attempt(partial(pipeline.write, update)))
                if count % BREATH == 0:
                    await asyncio.sleep(0)
            self._tidy(pipeline)
            return results

    def _tidy(self, pipeline: Pipeline) -> None:
        """Lets ternary tables bury what only packets needed that are in the program now; nobody waits for it."""
        marked = pipeline.mark()
        if marked and (self._tidying is None or self._tidying.done()):
            self._tidying = asyncio.create_task(self._bury(pipeline, marked))

    async def _bury(self, pipeline: Pipeline, marked: list[tuple[Masks, int]]) -> None:
        await asyncio.to_thread(self._around.settle)
        async with self._lock:
            if pipeline not in [config.pipeline for config in (self._running, self._saved) if config]:
                return  # its maps have been closed meanwhile
            for masks, generation in marked:
                masks.clear(generation)

    async def read(self, request: p4r.ReadRequest) -> tuple[list[p4r.Entity], list[Result]]:
        """The entities, and what became of each request."""
        self.arbitration.expect_device(request.device_id)
        if request.role:
            raise missing(f"found role {request.role!r}; expected none, the default role is the one")
        async with self._lock:
            pipeline = self._addressed().pipeline
            found: list[p4r.Entity] = []
            results: list[Result] = []
            for wanted in request.entities:
                source = pipeline.read(wanted)
                # In pieces, so that others get their turn while a large table is read.
                result, before = (Code.OK, ""), -1
                while len(found) > before and result[0] == Code.OK:
                    before = len(found)
                    result = _attempt(partial(found.extend, islice(source, BREATH)))
                    await asyncio.sleep(0)
                results.append(result)
            return found, results

    def _addressed(self) -> Configured:
        """What updates and reads are about: a saved config that waits for its commit comes first."""
        addressed = self._saved or self._running
        if addressed is None:
            raise precondition("found no pipeline; expected SetForwardingPipelineConfig first")
        return addressed

    # pipeline configs

    async def set_config(self, request: p4r.SetForwardingPipelineConfigRequest) -> None:
        """`SetForwardingPipelineConfig`; after a `Refusal` the device is as it was."""
        async with self._lock:
            self.arbitration.permit(request)
            if request.action == SetConfig.COMMIT:
                if request.HasField("config"):
                    raise invalid("found a config with COMMIT; expected none, the saved one is committed")
                if self._saved is None:
                    raise missing("found no saved config; expected VERIFY_AND_SAVE first")
                self._commit(self._saved)
                return
            if request.action not in (
                SetConfig.VERIFY,
                SetConfig.VERIFY_AND_SAVE,
                SetConfig.VERIFY_AND_COMMIT,
                SetConfig.RECONCILE_AND_COMMIT,
            ):
                raise invalid(f"found action {request.action}; expected VERIFY to RECONCILE_AND_COMMIT")
            if not request.HasField("config"):
                raise invalid("found no config; expected one")
            made = await asyncio.to_thread(self._realize, request.config)
            try:
                self._use(made, request.action)
            except BaseException:
                made.loaded.close()
                raise

    def start(self, config: p4r.ForwardingPipelineConfig) -> None:
        """The config that the switch starts with."""
        self._commit(self._realize(config))

    def config(self, request: p4r.GetForwardingPipelineConfigRequest) -> p4r.ForwardingPipelineConfig | None:
        """`GetForwardingPipelineConfig`; none where there is no config."""
        self.arbitration.expect_device(request.device_id)
        addressed = self._saved or self._running
        if addressed is None:
            return None
        config = addressed.config
        told = p4r.ForwardingPipelineConfig()
        if config.HasField("cookie"):
            told.cookie.CopyFrom(config.cookie)
        if request.response_type in (GetConfig.ALL, GetConfig.P4INFO_AND_COOKIE):
            told.p4info.CopyFrom(config.p4info)
        if request.response_type in (GetConfig.ALL, GetConfig.DEVICE_CONFIG_AND_COOKIE):
            told.p4_device_config = config.p4_device_config
        return told

    def _use(self, made: Configured, action: int) -> None:
        if action == SetConfig.VERIFY:
            made.loaded.close()
        elif action == SetConfig.VERIFY_AND_SAVE:
            if self._saved:
                self._saved.loaded.close()
            self._saved = made
        else:
            if action == SetConfig.RECONCILE_AND_COMMIT and self._running:
                _replay(self._running.pipeline, made.pipeline)
            self._commit(made)

    def _realize(self, config: p4r.ForwardingPipelineConfig) -> Configured:
        try:
            bundle = decode(config.p4_device_config)
            if config.p4info != bundle.p4info:
                raise invalid("found a P4Info that is not the device config's; expected that of the same compilation")
            loaded = self._plane.load(bundle)
        except Refusal:
            raise
        except LabError as error:
            raise invalid(str(error)) from error
        except (OSError, LookupError, ValueError) as error:
            raise invalid(f"found an object that cannot be loaded: {error!r}") from error
        try:
            pipeline = Pipeline(bundle.p4info, bundle.layout, loaded.maps, bundle.entries, self._around)
        except Exception as error:  # whatever a foreign layout brings about
            loaded.close()
            raise invalid(f"found a bundle whose parts do not fit: {error!r}") from error
        kept = p4r.ForwardingPipelineConfig()
        kept.CopyFrom(config)
        return Configured(kept, loaded, pipeline, PacketHeaders(bundle.p4info))

    def _commit(self, made: Configured) -> None:
        self._plane.commit(made.loaded, made.pipeline)
        before, saved = self._running, self._saved
        self._running, self._saved = made, None
        for old in (before, saved):
            if old is not None and old is not made:
                old.loaded.close()


def _attempt(action: Callable[[], None]) -> Result:
    try:
        action()
    except Refusal as refusal:
        return refusal.code, refusal.message
    except OSError as error:
        return Code.INTERNAL, f"the kernel refused: {error}"
    return Code.OK, ""


def _replay(old: Pipeline, new: Pipeline) -> None:
    """Writes everything that the old pipeline was told into the new one."""
    for update in old.state():
        try:
            try:
                new.write(update)
            except Refusal as refusal:
                if refusal.code != Code.ALREADY_EXISTS:
                    raise
                # An entry that both programs bring: as the controller left it.
                new.write(p4r.Update(type=p4r.Update.MODIFY, entity=update.entity))
        except Refusal as refusal:
            raise invalid(f"the forwarding state cannot be kept: {refusal.message}") from refusal
