"""P4Runtime over gRPC: requests to the device, its results and refusals to statuses."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from typing import Any

import grpc
from finsy.proto import p4r, p4r_grpc, rpc_status

from dataplane.target.arbitration import Notice
from dataplane.target.device import Device, Result
from dataplane.target.refusal import Code, Refusal, denied

log = logging.getLogger(__name__)

API_VERSION = "1.3.0"
LARGEST_MESSAGE = 64 << 20
"""Bytes of one request: a batch of some 500 000 entries."""
LARGEST_DETAILS = 6 << 10
"""Bytes of error details; gRPC's clients take 8 KiB of headers."""
LONGEST_QUEUE = 4096
"""Packets and digests that wait for a slow controller; what comes then is dropped and counted."""
STATUS = {code.value[0]: code for code in grpc.StatusCode}
ENTITIES = 500
"""In one message of a read."""
SPACE = "meclab"


class Service:
    """The five methods of `p4.v1.P4Runtime`."""

    def __init__(self, device: Device, send: Callable[[p4r.PacketOut], None]) -> None:
        """`send` takes packet-outs of the primary, and raises `Refusal` for what is none."""
        self._device = device
        self._send = send
        self._streams: dict[Hashable, asyncio.Queue[p4r.StreamMessageResponse | Refusal | None]] = {}
        self.dropped = 0
        device.tell = self._tell

    async def Capabilities(self, request: p4r.CapabilitiesRequest, context: Any) -> p4r.CapabilitiesResponse:
        return p4r.CapabilitiesResponse(p4runtime_api_version=API_VERSION)

    async def Write(self, request: p4r.WriteRequest, context: Any) -> p4r.WriteResponse:
        results = await _answer(context, lambda: self._device.write(request))
        if any(code != Code.OK for code, _ in results):
            await _fail(context, "Write", results)
        return p4r.WriteResponse()

    async def Read(self, request: p4r.ReadRequest, context: Any) -> AsyncIterator[p4r.ReadResponse]:
        found, results = await _answer(context, lambda: self._device.read(request))
        for start in range(0, len(found), ENTITIES):
            yield p4r.ReadResponse(entities=found[start : start + ENTITIES])
        if any(code != Code.OK for code, _ in results):
            await _fail(context, "Read", results)

    async def SetForwardingPipelineConfig(
        self, request: p4r.SetForwardingPipelineConfigRequest, context: Any
    ) -> p4r.SetForwardingPipelineConfigResponse:
        await _answer(context, lambda: self._device.set_config(request))
        return p4r.SetForwardingPipelineConfigResponse()

    async def GetForwardingPipelineConfig(
        self, request: p4r.GetForwardingPipelineConfigRequest, context: Any
    ) -> p4r.GetForwardingPipelineConfigResponse:
        try:
            return p4r.GetForwardingPipelineConfigResponse(config=self._device.config(request))
        except Refusal as refusal:
            return await context.abort(STATUS[refusal.code], refusal.message)

    async def StreamChannel(
        self, requests: AsyncIterator[p4r.StreamMessageRequest], context: Any
    ) -> AsyncIterator[p4r.StreamMessageResponse]:
        controller = object()
        answers: asyncio.Queue[p4r.StreamMessageResponse | Refusal | None] = asyncio.Queue()
        self._streams[controller] = answers
        listener = asyncio.create_task(self._listen(controller, requests, answers))
        try:
            while (answer := await answers.get()) is not None:
                if isinstance(answer, Refusal):
                    await context.abort(STATUS[answer.code], answer.message)
                yield answer
        finally:
            listener.cancel()
            del self._streams[controller]
            self._device.leave(controller)

    async def _listen(self, controller: Hashable, requests: AsyncIterator[Any], answers: asyncio.Queue[Any]) -> None:
        try:
            async for request in requests:
                await self._hear(controller, request, answers)
        except Refusal as refusal:
            answers.put_nowait(refusal)
        except Exception:
            log.exception("a stream ended")
            answers.put_nowait(Refusal(Code.INTERNAL, "the switch could not go on with this stream; see its log"))
        else:
            answers.put_nowait(None)

    async def _hear(self, controller: Hashable, request: p4r.StreamMessageRequest, answers: asyncio.Queue[Any]) -> None:
        what = request.WhichOneof("update")
        if what == "arbitration":
            await self._device.arbitrate(controller, request.arbitration)
            return
        try:
            if what == "packet":
                self._expect_primary(controller, "packet-out")
                self._send(request.packet)
            elif what == "digest_ack":
                self._expect_primary(controller, "digest acknowledgement")
                if self._device.running:
                    self._device.running.pipeline.digests.acknowledge(request.digest_ack)
            else:
                raise Refusal(Code.UNIMPLEMENTED, f"found stream message {what or 'without content'}; expected another")
        except Refusal as refusal:
            error = p4r.StreamError(canonical_code=refusal.code, message=refusal.message, space=SPACE)
            if what == "packet":
                error.packet_out.packet_out.CopyFrom(request.packet)
            elif what == "digest_ack":
                error.digest_list_ack.digest_list_ack.CopyFrom(request.digest_ack)
            else:
                error.other.other.CopyFrom(request.other)
            answers.put_nowait(p4r.StreamMessageResponse(error=error))

    def _expect_primary(self, controller: Hashable, what: str) -> None:
        if self._device.arbitration.primary is not controller:
            raise denied(f"{what}: found a controller that is not primary; expected the primary")

    def _tell(self, notice: Notice) -> None:
        answers = self._streams.get(notice.controller)
        if answers is None:
            return
        if answers.qsize() >= LONGEST_QUEUE and notice.message.WhichOneof("update") != "arbitration":
            self.dropped += 1
            return
        answers.put_nowait(notice.message)


async def _answer(context: Any, action: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await action()
    except Refusal as refusal:
        await context.abort(STATUS[refusal.code], refusal.message)


async def _fail(context: Any, method: str, results: list[Result]) -> None:
    """Ends a batch of which something failed: one `p4.v1.Error` for each element, in their order."""
    failed = [(index, result) for index, result in enumerate(results) if result[0] != Code.OK]
    index, (first, reason) = failed[0]
    text = f"{method} failure: {len(failed)} of {len(results)} failed, number {index} first: {first.name}: {reason}"
    status = rpc_status.Status(code=Code.UNKNOWN, message=text)
    for code, message in results:
        error = p4r.Error(canonical_code=code, message=message, space=SPACE if code else "")
        status.details.add().Pack(error)
    details = status.SerializeToString()
    if len(details) > LARGEST_DETAILS:
        # They could not be carried, and the client would see a broken connection instead.
        await context.abort(grpc.StatusCode.UNKNOWN, f"{text}; the details of so many do not fit into a status")
    await context.abort(grpc.StatusCode.UNKNOWN, text, (("grpc-status-details-bin", details),))


async def serve(service: Service, address: str) -> tuple[Any, int]:
    """A running server on `HOST:PORT` (port 0: any), and its port; raises `OSError` where it cannot listen."""
    options = [
        ("grpc.max_receive_message_length", LARGEST_MESSAGE),
        ("grpc.max_send_message_length", LARGEST_MESSAGE),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.aio.server(options=options)
    p4r_grpc.add_P4RuntimeServicer_to_server(service, server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen there: {error}") from None
    if not port:
        raise OSError("cannot listen there")
    await server.start()
    return server, port
