"""Captures of the switch's ports: what comes in and what leaves, one pcapng file a port."""

import selectors
import subprocess
import time
from pathlib import Path

from meclab.errors import RunError, SetupError

READY_S = 10.0
FLUSH_S = 0.4
"""The kernel hands a block of frames to dumpcap when it is full or 0.25 s old, and dumpcap drops what it has not got
when it is told to end: closing waits this long first."""


class Captures:
    """One dumpcap a port, from before the first packet until `close`."""

    def __init__(self, folder: Path, ports: dict[int, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for number, interface in ports.items():
                self._start(folder / f"port{number}-{interface}.pcapng", interface)
        except BaseException:
            self.close()
            raise

    def _start(self, path: Path, interface: str) -> None:
        command = ["dumpcap", "-q", "-t", "-i", interface, "-w", str(path)]
        try:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        except FileNotFoundError:
            raise SetupError("dumpcap is missing: apt-get install wireshark-common") from None
        self._processes.append(process)
        self._await(process, interface)

    def _await(self, process: subprocess.Popen[bytes], interface: str) -> None:
        """Returns when dumpcap has said that it writes."""
        assert process.stderr is not None
        said = b""
        end = time.monotonic() + READY_S
        with selectors.DefaultSelector() as selector:
            selector.register(process.stderr, selectors.EVENT_READ)
            while b"File:" not in said:
                piece = process.stderr.read1(4096) if selector.select(max(0, end - time.monotonic())) else b""  # type: ignore[attr-defined]
                if not piece:
                    raise RunError(f"dumpcap on {interface} did not start: {said.decode(errors='replace').strip()}")
                said += piece

    def close(self) -> None:
        """Ends the captures; the files are whole then."""
        if self._processes:
            time.sleep(FLUSH_S)
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()
            if process.stderr:
                process.stderr.close()
