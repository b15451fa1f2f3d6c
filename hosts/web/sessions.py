"""Per-device session state of the application: what would have to move with the device."""

from dataclasses import asdict, dataclass


@dataclass
class Session:
    """What one host remembers of one device."""

    device: str
    count: int
    """Requests answered here."""
    first_ns: int
    """CLOCK_REALTIME of the first request, and of the last."""
    last_ns: int
    last_n: int
    """Number of the last request, as the device counts them."""


class Sessions:
    """The sessions of one host, by device."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def hit(self, device: str, n: int, now_ns: int) -> Session:
        """Counts a request; the device's first one begins its session."""
        session = self._sessions.get(device)
        if session is None:
            session = self._sessions[device] = Session(device, 0, now_ns, now_ns, n)
        session.count += 1
        session.last_ns = now_ns
        session.last_n = n
        return session

    def __len__(self) -> int:
        return len(self._sessions)

    def listed(self) -> list[dict[str, object]]:
        """Every session as JSON objects, in order of the devices' names."""
        return [asdict(self._sessions[device]) for device in sorted(self._sessions)]
