"""What a run hands out: the public JSON object of `lab run --json`, and the run folder's `manifest.json`.

The columns of the tables beside them are in `docs/results.md`.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["ok", "failed", "incomplete"]
"""`failed`: an expectation did not hold; `incomplete`: something died or is missing, what was measured is kept."""


class Result(BaseModel):
    """A part of the results; the order of fields is the order in the JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HandoverResult(Result):
    """One event that moved a device or changed its host; definitions in `meclab.metrics`.

    A change of host without a move (load, failure) has the same access point in `from_ap` and `to_ap`.
    """

    device: str
    from_ap: str | None
    to_ap: str | None
    from_host: str | None
    """Decided host before."""
    to_host: str | None
    """Decided host; null where no decision came."""
    served_by: str | None
    radio_gap_ms: float | None
    decide_ms: float | None
    learn_ms: float | None = None
    learned_by: str | None = None
    """`dns`, `redirect`, `notification` or `context`; null where nothing tells the device."""
    cache_age_ms: float | None = None
    """Age at `t0` of the answer that the device's client had from DNS; null for methods without names."""
    gap_ms: float | None
    steer_ms: float | None
    interruption_ms: float | None
    rtt_before_ms: float | None
    detour_rtt_ms: float | None
    rtt_after_ms: float | None
    lost: int
    resets: int
    reconnects: int
    stale_requests: int
    signalling_msgs: int
    signalling_bytes: int


class SignallingRate(Result):
    """The method's own messages per device and minute with no event; null where no such time was left."""

    msgs: float | None
    bytes: float | None


class Fidelity(Result):
    """How far the run can be trusted; nulls where nothing was there to measure."""

    noise_floor_rtt_ms: float | None
    """Median probe RTT less the configured delays of the links it crossed."""
    delay_error_p50_ms: float | None
    delay_error_p99_ms: float | None
    """Of the absolute difference between measured and configured one-way delay, over all links."""
    cpu_busy_p95: float | None
    """Share of all processors, 0 to 1."""
    capture_drops: int
    trusted: bool
    reasons: tuple[str, ...]


class RunResult(Result):
    """One run: one line of `lab run --json`."""

    scenario: str
    method: str
    variant: str | None
    dataplane: str
    links: str
    family: str
    seed: int
    status: Status
    handovers: tuple[HandoverResult, ...]
    signalling_per_min: SignallingRate
    fidelity: Fidelity
    notes: tuple[str, ...] = ()
    """What is worth knowing of the outcome and no reason against it, in words."""
    startup_s: float | None
    """From the command to the first probe."""
    run_dir: str


class CaptureCount(Result):
    """What `dumpcap` says of one file when it ends."""

    file: str
    node: str
    packets: int | None
    dropped: int | None
    problem: str | None = None
    """Why the file may be incomplete, in words."""


class Manifest(Result):
    """`manifest.json`: how the run was made, and its result."""

    scenario: str
    method: str
    variant: str | None
    dataplane: str
    links: str
    family: str
    seed: int
    status: Status
    reasons: tuple[str, ...] = ()
    """Why the status is not `ok`, in words."""
    started_at: str
    """UTC, ISO 8601."""
    ended_at: str | None = None
    startup_s: float | None = None
    command: tuple[str, ...] = ()
    kernel: str = ""
    cores: int = 0
    versions: dict[str, str] = {}
    """Program or package to version."""
    datapath: str = ""
    """Of Open vSwitch: `userspace` or `kernel`."""
    realtime: bool = False
    """Whether the links in user space ran with real-time priority."""
    links_seeded: bool = True
    """Whether impairments repeat with the seed (netem before Linux 6.6 cannot)."""
    qdiscs: dict[str, str] = {}
    """Interface to queueing disciplines, as `tc` shows them."""
    offloads: dict[str, str] = {}
    """Interface to the offloads left on."""
    calibration_ns: dict[str, int] = {}
    """Process of links or air, and which cost (`arrival`, `departure`), to what is taken off every delay."""
    captures: tuple[CaptureCount, ...] = ()
    result: RunResult | None = None


def read_manifest(run_dir: Path) -> Manifest | None:
    """The run's manifest, or none where it has none yet."""
    path = run_dir / "manifest.json"
    return Manifest.model_validate_json(path.read_text()) if path.exists() else None
