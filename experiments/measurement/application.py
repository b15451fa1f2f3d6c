"""The devices' sessions of a whole run: at the devices, at the hosts, in clear or decrypted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from experiments.measurement import sessions, streams, tls
from experiments.measurement.frames import Frames
from experiments.measurement.streams import Segment
from experiments.pcapng import Capture
from meclab.errors import RunError
from meclab.observations import ConnectionSeen, MessageSeen, RequestSeen
from meclab.packets import APP_PORT, APP_TLS_PORT
from meclab.plan import Plan

Files = Mapping[str, tuple[Capture, Frames]]


@dataclass
class Application:
    """What the captures showed of the sessions; rows device by device, in order of time."""

    requests: list[RequestSeen] = field(default_factory=list)
    connections: list[ConnectionSeen] = field(default_factory=list)
    redirects: list[MessageSeen] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What could not be read, in words."""


def read(plan: Plan, files: Files, key_log: bytes) -> Application:
    """Every device's session; `key_log` are the TLS keys, where sessions run over TLS."""
    port = APP_TLS_PORT if plan.http.tls else APP_PORT
    found = Application()
    devices = [device.name for device in plan.devices]
    serving = [host.name for host in plan.by_role("mec", "cloud")]
    fronts = [host.name for host in plan.by_role("front")]
    raw = {name: streams.segments(*files[name], port) for name in (*devices, *serving, *fronts) if name in files}
    clear = (
        _clear(raw, [files[name] for name in devices if name in files], key_log, port, found) if plan.http.tls else raw
    )
    arrived = sessions.deliveries(((name, clear.get(name, ())) for name in serving), port)
    left = sessions.departures((raw.get(name, ()) for name in (*serving, *fronts)), port)
    for device in devices:
        secured = tls.handshakes(raw.get(device, ()), port) if plan.http.tls else {}
        session = sessions.session(device, clear.get(device, ()), port, arrived, secured, left)
        found.requests += session.requests
        found.connections += session.connections
        found.redirects += session.redirects
    return found


def _clear(
    raw: Mapping[str, Sequence[Segment]], at_devices: Sequence[tuple[Capture, Frames]], key_log: bytes, port: int,
    found: Application,
) -> Mapping[str, Sequence[Segment]]:  # fmt: skip
    """The segments with what they carry; with nothing where that cannot be said."""
    plain: tls.Plain = {}
    if not key_log:
        found.problems.append("the sessions cannot be decrypted: nobody has left TLS keys")
    else:
        try:
            plain = tls.decrypted(at_devices, key_log, port)
        except RunError as error:
            found.problems.append(str(error))
    return {name: tls.in_clear(segments, plain) for name, segments in raw.items()}
