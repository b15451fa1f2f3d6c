"""One direction of a link in user space: what happens to each frame, and when it comes out.

Nothing here knows a file descriptor or a clock: frames, the present (ns on any clock that only grows) and the
random sources are arguments. A frame may be lost; it waits for the configured rate behind those before it
(its last bit leaves at max(now, the previous frame's) + bits / rate), unless more bytes than the queue takes wait
already; then it travels for the delay and the jitter drawn for it. Frames come out in the order in which they
went in unless the shape says `reorder`.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Shape:
    """`meclab.scenario.LinkShape` in plain numbers, for processes that do without its models."""

    delay_ns: int = 0
    jitter_ns: int = 0
    loss: float = 0.0
    rate_bps: int | None = None
    queue_bytes: int = 1_000_000
    reorder: bool = False


@dataclass
class Counters:
    """What became of the frames of one direction so far."""

    frames: int = 0
    """Delivered, as `bytes`."""
    bytes: int = 0
    dropped_loss: int = 0
    dropped_queue: int = 0
    dropped_down: int = 0
    """Came, or were on the way, while the line was down."""
    max_queue_bytes: int = 0
    """The most that ever waited for the configured rate."""


class DelayLine:
    """A direction's frames on their way.

    The same sources and the same shapes give the n-th frame the same fate: `chance` is asked once a frame
    while there is loss, `spread` once a frame while there is jitter.
    """

    __slots__ = (
        "_chance",
        "_free_ns",
        "_last_ns",
        "_loose",
        "_number",
        "_ordered",
        "_spread",
        "_up",
        "counters",
        "shape",
    )

    def __init__(self, shape: Shape, chance: Random, spread: Random) -> None:
        self.shape = shape
        self.counters = Counters()
        self._chance = chance.random
        self._spread = spread.uniform
        self._ordered: deque[tuple[int, Sequence[bytes]]] = deque()
        self._loose: list[tuple[int, int, bytes]] = []
        self._number = 0
        self._free_ns = 0.0
        self._last_ns = 0
        self._up = True

    @property
    def next_ns(self) -> int | None:
        """When the next frame is due; none where no frame is on the way."""
        if self._ordered:
            return self._ordered[0][0]
        return self._loose[0][0] if self._loose else None

    def put(self, frames: Sequence[bytes], now_ns: int) -> None:
        """Frames enter the line at `now_ns`; the sequence is kept, not copied."""
        shape = self.shape
        if not self._up:
            self.counters.dropped_down += len(frames)
        elif shape.loss or shape.jitter_ns or shape.rate_bps or shape.reorder:
            self._put_each(frames, now_ns)
        else:
            self._last_ns = due_ns = max(now_ns + shape.delay_ns, self._last_ns)
            self._ordered.append((due_ns, frames))

    def _put_each(self, frames: Sequence[bytes], now_ns: int) -> None:
        shape, counters, chance, spread = self.shape, self.counters, self._chance, self._spread
        loss, delay_ns, jitter_ns, reorder = shape.loss, shape.delay_ns, shape.jitter_ns, shape.reorder
        ns_per_byte = 8e9 / shape.rate_bps if shape.rate_bps else 0.0
        longest_ns = shape.queue_bytes * ns_per_byte
        for frame in frames:
            if loss and chance() < loss:
                counters.dropped_loss += 1
                continue
            sent_ns = now_ns
            if ns_per_byte:
                waits_ns = self._free_ns - now_ns
                if waits_ns > 0:
                    if waits_ns + len(frame) * ns_per_byte > longest_ns:
                        counters.dropped_queue += 1
                        continue
                    counters.max_queue_bytes = max(counters.max_queue_bytes, round(waits_ns / ns_per_byte))
                else:
                    self._free_ns = now_ns
                self._free_ns += len(frame) * ns_per_byte
                sent_ns = round(self._free_ns)
            due_ns = sent_ns + delay_ns
            if jitter_ns:
                due_ns = max(due_ns + round(spread(-jitter_ns, jitter_ns)), sent_ns)
            if reorder:
                self._number += 1
                heapq.heappush(self._loose, (due_ns, self._number, frame))
            else:
                self._last_ns = due_ns = max(due_ns, self._last_ns)
                self._ordered.append((due_ns, (frame,)))

    def take(self, now_ns: int) -> list[bytes]:
        """The frames that are due at `now_ns`, in the order in which they leave."""
        out: list[bytes] = []
        ordered, loose = self._ordered, self._loose
        while ordered and ordered[0][0] <= now_ns:
            out += ordered.popleft()[1]
        while loose and loose[0][0] <= now_ns:
            out.append(heapq.heappop(loose)[2])
        self.counters.frames += len(out)
        self.counters.bytes += sum(map(len, out))
        return out

    def change(self, shape: Shape) -> None:
        """A new shape from the next frame on: frames on the way stay due when they were, and stay ahead."""
        if self.shape.reorder and not shape.reorder:
            for due_ns, _, frame in sorted(self._loose):
                self._last_ns = due_ns = max(due_ns, self._last_ns)
                self._ordered.append((due_ns, (frame,)))
            self._loose.clear()
        elif shape.reorder and not self.shape.reorder:
            for due_ns, frames in self._ordered:
                for frame in frames:
                    self._number += 1
                    heapq.heappush(self._loose, (due_ns, self._number, frame))
            self._ordered.clear()
        if shape.rate_bps is None:
            self._free_ns = 0.0
        self.shape = shape

    def clear(self) -> list[bytes]:
        """Takes every frame on the way out of the line, uncounted, in order."""
        frames = [frame for _, batch in self._ordered for frame in batch]
        frames += [frame for _, _, frame in sorted(self._loose)]
        self._ordered.clear()
        self._loose.clear()
        self._free_ns = 0.0
        return frames

    def down(self) -> None:
        """The line is cut: what is on the way is lost, and so is what comes."""
        self._up = False
        self.counters.dropped_down += len(self.clear())

    def up(self) -> None:
        """The line carries frames again."""
        self._up = True


def sources(seed: int, name: str, direction: str) -> tuple[Random, Random]:
    """The random sources of one direction of a link, for loss and for jitter: its own, whatever others draw."""
    return Random(f"{seed}/{name}/{direction}/loss"), Random(f"{seed}/{name}/{direction}/jitter")
