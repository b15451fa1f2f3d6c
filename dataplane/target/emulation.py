"""A switch without interfaces: a program in the kernel, its entities by P4Runtime, packets by `BPF_PROG_TEST_RUN`."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from finsy.proto import p4i, p4r

from dataplane.compiler.bundle import Bundle
from dataplane.target.harness import Harness
from dataplane.target.pipeline import Pipeline, Surroundings


class EmulatedSwitch:
    """What STF tests run on. Everything is done when a call returns."""

    def __init__(self, bundle: Bundle) -> None:
        self.harness = Harness(bundle)
        self.pipeline = Pipeline(bundle.p4info, bundle.layout, self.harness.maps, bundle.entries, Surroundings())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.harness.close()

    @property
    def info(self) -> p4i.P4Info:
        return self.pipeline.info

    def write(self, update: p4r.Update) -> None:
        """Raises `Refusal`."""
        self.pipeline.write(update)

    def read(self, entity: p4r.Entity) -> Iterable[p4r.Entity]:
        return self.pipeline.read(entity)

    def packet(self, port: int, data: bytes) -> list[tuple[int, bytes]]:
        """What leaves because of a packet that comes in, as (port, bytes), in order."""
        return self.harness.send(port, data)
