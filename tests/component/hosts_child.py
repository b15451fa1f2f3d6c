"""Runs a host program in a forked process on loopback, for the component tests."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator

DEADLINE_S = 10


@contextlib.contextmanager
def running(program: Callable[[Callable[[], None]], int], end: signal.Signals = signal.SIGTERM) -> Iterator[int]:
    """The pid of a process that runs `program(ready)`, from ready on; ends it by SIGTERM and expects status 0, or by
    SIGKILL."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = program(lambda: (os.write(sender, b"1"), None)[1])
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(sender)
    try:
        assert select.select([receiver], [], [], DEADLINE_S)[0], "not ready in time"
        assert os.read(receiver, 1) == b"1", "ended before it was ready"
        yield pid
    finally:
        os.close(receiver)
        os.kill(pid, end)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == (0 if end is signal.SIGTERM else -end)
