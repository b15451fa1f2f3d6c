"""From the fork to a program's `main`: namespaces, name, log, signals."""

import gc
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import NoReturn

from hosts.program import Context
from hosts.system import linux
from meclab.messages import Start

_HIGHEST_FD = 1 << 16
ENDING = (signal.SIGTERM, signal.SIGINT)
"""Signals that are blocked across the fork, so that one meant for the child does not wake the forker."""


def teller(pipe: int) -> Callable[[], None]:
    """A function that tells the forker, over its pipe, that the program serves."""

    def ready() -> None:
        os.write(pipe, b"1")
        os.close(pipe)

    return ready


def become(
    request: Start, context: Context, main: Callable[[Context], int], parent: int, keep: Iterable[int]
) -> NoReturn:
    """Turns the forked process into the program; the process ends with what `main` returns, 1 on an error."""
    status = 1
    try:
        _reset_signals()
        linux.die_with_parent(parent, signal.SIGTERM)
        markers = () if context.markers is None else (context.markers.fileno(),)
        _redirect(request.log)
        _close_all_but((*keep, *markers))
        linux.name_process(f"{request.program}-{request.node}")
        linux.enter_namespaces(request.namespace_pid)
        gc.enable()
        _start_logging()
        status = main(context)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _reset_signals() -> None:
    """A session of its own, so that a key on the lab's terminal does not reach it."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def _redirect(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _close_all_but(keep: Iterable[int]) -> None:
    last = 3
    for kept in sorted(keep):
        os.closerange(last, kept)
        last = kept + 1
    os.closerange(last, _HIGHEST_FD)


def _start_logging() -> None:
    """Lines of `time level message` on standard error, times in UTC."""
    lines = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    lines.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
