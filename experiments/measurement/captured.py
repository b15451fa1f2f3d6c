"""The captures of a run as they are read, and what is wrong with them."""

from dataclasses import dataclass, field
from pathlib import Path

from experiments import pcapng
from experiments.measurement import frames
from experiments.measurement.frames import Frames
from experiments.pcapng import Capture
from meclab.errors import PeerError
from meclab.plan import Plan

_NAMED = 5
"""At most so many captures are named in a reason."""


@dataclass
class Captured:
    """The captures of a run, by the name of their file, and what is wrong with them."""

    files: dict[str, tuple[Capture, Frames]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def dropped(self) -> int:
        return sum(capture.dropped or 0 for capture, _ in self.files.values())


def read(plan: Plan, folder: Path) -> Captured:
    """The captures that a plan has, as far as they are there and can be read."""
    captured = Captured()
    missing, broken = [], []
    for name in dict.fromkeys(point.file for point in plan.captures):
        try:
            capture = pcapng.read(folder / f"{name}.pcapng")
        except FileNotFoundError:
            missing.append(name)
            continue
        except (PeerError, OSError) as error:
            captured.problems.append(f"the capture {name} cannot be read: {error}")
            continue
        if capture.dropped is None:
            broken.append(name)
        captured.files[name] = capture, frames.decode(capture)
    for names, what in ((missing, "not there"), (broken, "cut off before the end")):
        if names:
            some = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
            captured.problems.append(f"captures {what}: {some}")
    return captured


def key_log(plan: Plan, logs: Path) -> bytes:
    """The TLS keys that devices and servers have left (NSS key log format)."""
    if not plan.http.tls:
        return b""
    return b"".join(path.read_bytes() for path in sorted(logs.glob("*-tls-keys.log")))
