"""A program on the tc ingress of an interface, through libbpf: put there, replaced in one step, taken away."""

import ctypes
import errno
import os
from ctypes import byref, c_int, c_size_t, c_uint32

from dataplane.target.bpf import libbpf
from meclab.errors import SetupError

INGRESS = 1
REPLACE = 1
HANDLE = 0x7034
PRIORITY = 0x7034
"""Of the switch's filter ("p4"): it is found again after a restart, and meets nobody else's."""
EXISTS = -errno.EEXIST


class _Hook(ctypes.Structure):
    """`struct bpf_tc_hook`."""

    _fields_ = (("size", c_size_t), ("ifindex", c_int), ("attach_point", c_int), ("parent", c_uint32))


class _Options(ctypes.Structure):
    """`struct bpf_tc_opts`."""

    _fields_ = (
        ("size", c_size_t),
        ("program_fd", c_int),
        ("flags", c_uint32),
        ("program_id", c_uint32),
        ("handle", c_uint32),
        ("priority", c_uint32),
    )


def attach(interface: int, program_fd: int) -> None:
    """Puts a program on an interface, in place of the switch's own if there is one: a packet meets one or the other.

    Raises `OSError`: `ENODEV` where the interface has gone.
    """
    hook = _hook(interface)
    created = libbpf().bpf_tc_hook_create(byref(hook))
    if created not in (0, EXISTS):
        _check(created, "tc hook")
    options = _Options(ctypes.sizeof(_Options), program_fd, REPLACE, 0, HANDLE, PRIORITY)
    _check(libbpf().bpf_tc_attach(byref(hook), byref(options)), "tc filter")


def detach(interface: int) -> None:
    """Takes the switch's program from an interface, and the hook too, if nobody else uses it."""
    hook = _hook(interface)
    options = _Options(ctypes.sizeof(_Options), 0, 0, 0, HANDLE, PRIORITY)
    libbpf().bpf_tc_detach(byref(hook), byref(options))
    libbpf().bpf_tc_hook_destroy(byref(hook))


def _hook(interface: int) -> _Hook:
    return _Hook(ctypes.sizeof(_Hook), interface, INGRESS, 0)


def _check(result: int, what: str) -> None:
    if result in (-errno.EPERM, -errno.EACCES):
        raise SetupError(f"{what}: not permitted; the switch needs root (CAP_NET_ADMIN and CAP_BPF)")
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
