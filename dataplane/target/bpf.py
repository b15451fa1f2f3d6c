"""BPF objects and their maps, through libbpf.

Everything is held by file descriptor and goes when it is closed; nothing is pinned.
"""

import ctypes
import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Self

from meclab.errors import LabError, SetupError

LOG_SIZE = 16 << 20
"""Bytes of the verifier's log that are kept."""
BATCH = 4096
"""Entries of one batch of updates."""


class RefusedError(LabError):
    """The kernel refuses a program; `log` is the verifier's."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


class _OpenOptions(ctypes.Structure):
    """`struct bpf_object_open_opts` of libbpf 1.1."""

    _fields_ = (
        ("size", c_size_t),
        ("object_name", c_char_p),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", c_char_p),
        ("reserved", c_uint32),
        ("kconfig", c_char_p),
        ("btf_custom_path", c_char_p),
        ("kernel_log_buf", c_void_p),
        ("kernel_log_size", c_size_t),
        ("kernel_log_level", c_uint32),
    )


class _TestOptions(ctypes.Structure):
    """`struct bpf_test_run_opts`."""

    _fields_ = (
        ("size", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


class _BatchOptions(ctypes.Structure):
    """`struct bpf_map_batch_opts`."""

    _fields_ = (("size", c_size_t), ("elem_flags", c_uint64), ("flags", c_uint64))


PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)
SAMPLE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)

PROTOTYPES: Mapping[str, tuple[type | None, tuple[object, ...]]] = {
    "libbpf_set_print": (c_void_p, (c_void_p,)),
    "bpf_object__open_mem": (c_void_p, (c_void_p, c_size_t, c_void_p)),
    "bpf_object__load": (c_int, (c_void_p,)),
    "bpf_object__close": (None, (c_void_p,)),
    "bpf_object__next_map": (c_void_p, (c_void_p, c_void_p)),
    "bpf_object__next_program": (c_void_p, (c_void_p, c_void_p)),
    "bpf_program__fd": (c_int, (c_void_p,)),
    "bpf_program__name": (c_char_p, (c_void_p,)),
    "bpf_map__name": (c_char_p, (c_void_p,)),
    "bpf_map__fd": (c_int, (c_void_p,)),
    "bpf_map__type": (c_int, (c_void_p,)),
    "bpf_map__key_size": (c_uint32, (c_void_p,)),
    "bpf_map__value_size": (c_uint32, (c_void_p,)),
    "bpf_map__max_entries": (c_uint32, (c_void_p,)),
    "bpf_map__set_initial_value": (c_int, (c_void_p, c_void_p, c_size_t)),
    "bpf_map_lookup_elem": (c_int, (c_int, c_void_p, c_void_p)),
    "bpf_map_update_elem": (c_int, (c_int, c_void_p, c_void_p, c_uint64)),
    "bpf_map_update_batch": (c_int, (c_int, c_void_p, c_void_p, POINTER(c_uint32), c_void_p)),
    "bpf_map_delete_elem": (c_int, (c_int, c_void_p)),
    "bpf_map_get_next_key": (c_int, (c_int, c_void_p, c_void_p)),
    "bpf_prog_test_run_opts": (c_int, (c_int, c_void_p)),
    "ring_buffer__new": (c_void_p, (c_int, SAMPLE, c_void_p, c_void_p)),
    "ring_buffer__consume": (c_int, (c_void_p,)),
    "ring_buffer__epoll_fd": (c_int, (c_void_p,)),
    "ring_buffer__free": (None, (c_void_p,)),
}


@cache
def libbpf() -> ctypes.CDLL:
    """The library, its messages silenced: errors come as numbers and logs."""
    try:
        library = ctypes.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        raise SetupError("libbpf.so.1 is missing: apt-get install libbpf1") from error
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.libbpf_set_print(None)
    return library


def _check(result: int, what: str) -> int:
    """The result, if it is no error; libbpf returns errors negated."""
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
    return result


class BpfMap:
    """A map; keys and values are bytes of fixed size, values of per-CPU maps those of each CPU one after the other."""

    def __init__(self, name: str, fd: int, sizes: tuple[int, int, int]) -> None:
        self.name, self.fd = name, fd
        self.key_size, self.value_size, self.max_entries = sizes

    def lookup(self, key: bytes) -> bytes | None:
        """The value, none where the key is not there."""
        value = ctypes.create_string_buffer(self.value_size)
        result = libbpf().bpf_map_lookup_elem(self.fd, self._sized(key, self.key_size), value)
        if result == -errno.ENOENT:
            return None
        _check(result, f"map {self.name}")
        return value.raw

    def update(self, key: bytes, value: bytes) -> None:
        """Sets a value; `OSError` with the kernel's number (`E2BIG`, `ENOSPC`: full)."""
        self._sized(key, self.key_size)
        self._sized(value, self.value_size)
        _check(libbpf().bpf_map_update_elem(self.fd, key, value, 0), f"map {self.name}")

    def update_many(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Sets many values, in their order; by batches where the kernel has them."""
        wanted = list(pairs)
        for start in range(0, len(wanted), BATCH):
            self._update_batch(wanted[start : start + BATCH])

    def delete(self, key: bytes) -> bool:
        """Whether the key was there."""
        result = libbpf().bpf_map_delete_elem(self.fd, self._sized(key, self.key_size))
        if result == -errno.ENOENT:
            return False
        _check(result, f"map {self.name}")
        return True

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All pairs; what changes meanwhile may be missing."""
        following = ctypes.create_string_buffer(self.key_size)
        key: bytes | None = None
        while (result := libbpf().bpf_map_get_next_key(self.fd, key, following)) == 0:
            key = following.raw
            value = self.lookup(key)
            if value is not None:
                yield key, value
        if result != -errno.ENOENT:
            _check(result, f"map {self.name}")

    def _update_batch(self, pairs: list[tuple[bytes, bytes]]) -> None:
        for key, value in pairs:
            self._sized(key, self.key_size)
            self._sized(value, self.value_size)
        count = c_uint32(len(pairs))
        options = _BatchOptions(size=ctypes.sizeof(_BatchOptions))
        keys, values = (b"".join(part) for part in zip(*pairs, strict=True))
        result = libbpf().bpf_map_update_batch(self.fd, keys, values, byref(count), byref(options))
        if result in (-errno.EOPNOTSUPP, -524):  # ENOTSUPP, which only the kernel knows
            for key, value in pairs:
                self.update(key, value)
        else:
            _check(result, f"map {self.name}")

    def _sized(self, data: bytes, size: int) -> bytes:
        if len(data) != size:
            raise ValueError(f"map {self.name}: found {len(data)} bytes, expected {size}")
        return data


class Slice:
    """Some elements of an array as an array of their own: a program can have 64 maps only."""

    def __init__(self, whole: BpfMap, start: int, count: int) -> None:
        self._whole, self._start = whole, start
        self.key_size, self.value_size, self.max_entries = whole.key_size, whole.value_size, count

    def lookup(self, key: bytes) -> bytes | None:
        return self._whole.lookup(self._moved(key))

    def update(self, key: bytes, value: bytes) -> None:
        self._whole.update(self._moved(key), value)

    def update_many(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._whole.update_many((self._moved(key), value) for key, value in pairs)

    def delete(self, key: bytes) -> bool:
        """Elements of arrays cannot go: `OSError`, as the kernel has it."""
        return self._whole.delete(self._moved(key))

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        for number in range(self.max_entries):
            value = self.lookup(key := number.to_bytes(4, "little"))
            assert value is not None
            yield key, value

    def _moved(self, key: bytes) -> bytes:
        number = int.from_bytes(key, "little")
        if number >= self.max_entries:
            raise OSError(errno.E2BIG, f"map {self._whole.name}: {os.strerror(errno.E2BIG)}")
        return (self._start + number).to_bytes(4, "little")


DEFAULT = re.compile(r"t(\d+)_default")
"""The map of a table's default action, which is an element of `defaults`."""


class RingBuffer:
    """What the program writes into a ring buffer; readable (`fileno`) when there is something."""

    def __init__(self, fd: int) -> None:
        self._records: list[bytes] = []
        self._callback = SAMPLE(self._take)
        self._ring = libbpf().ring_buffer__new(fd, self._callback, None, None)
        if not self._ring:
            raise OSError(ctypes.get_errno(), "ring buffer")

    def fileno(self) -> int:
        return int(libbpf().ring_buffer__epoll_fd(self._ring))

    def read(self) -> list[bytes]:
        """All records that are there, without waiting."""
        _check(libbpf().ring_buffer__consume(self._ring), "ring buffer")
        records, self._records = self._records, []
        return records

    def close(self) -> None:
        if self._ring:
            libbpf().ring_buffer__free(self._ring)
            self._ring = None

    def _take(self, _: object, data: int, size: int) -> int:
        self._records.append(ctypes.string_at(data, size))
        return 0


@dataclass(frozen=True)
class Outcome:
    """Of one run: what the program returned, the packet after it, mean nanoseconds of one pass."""

    result: int
    packet: bytes
    mean_ns: int


class BpfObject:
    """A loaded object: its program and its maps by name."""

    def __init__(self, data: bytes, name: str = "p4", initial: Mapping[str, bytes] | None = None) -> None:
        """Loads an object (ELF); `initial` are contents of read-only sections by name, such as `.rodata.config`.

        Raises `RefusedError` with the verifier's log, and `SetupError` without the right to load programs.
        """
        library = libbpf()
        self._data = data
        self._log = (c_char * LOG_SIZE)()
        options = _OpenOptions(
            size=ctypes.sizeof(_OpenOptions),
            object_name=name.encode(),
            kernel_log_buf=ctypes.addressof(self._log),
            kernel_log_size=LOG_SIZE,
        )
        self._object = library.bpf_object__open_mem(data, len(data), byref(options))
        if not self._object:
            raise RefusedError(f"{name}: not a BPF object ({os.strerror(ctypes.get_errno())})", "")
        try:
            self._initialize(initial or {})
            self._load(name)
        except BaseException:
            self.close()
            raise
        self.maps = {each.name: each for each in self._maps()}
        self.program_fd = _check(library.bpf_program__fd(library.bpf_object__next_program(self._object, None)), name)

    def __getitem__(self, name: str) -> BpfMap | Slice:
        found = DEFAULT.fullmatch(name)
        return Slice(self.maps["defaults"], int(found[1]), 1) if found else self.maps[name]

    def __contains__(self, name: object) -> bool:
        return name in self.maps or (isinstance(name, str) and DEFAULT.fullmatch(name) is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Frees program and maps, unless something else (an interface) still holds them."""
        if self._object:
            libbpf().bpf_object__close(self._object)
            self._object = None

    def test_run(self, packet: bytes, repeat: int = 1) -> Outcome:
        """Runs the program on a packet (`BPF_PROG_TEST_RUN`); the same packet again where it is repeated."""
        out = ctypes.create_string_buffer(len(packet) + 4096)
        options = _TestOptions(
            size=ctypes.sizeof(_TestOptions),
            data_in=ctypes.cast(c_char_p(packet), c_void_p),
            data_size_in=len(packet),
            data_out=ctypes.cast(out, c_void_p),
            data_size_out=len(out),
            repeat=repeat,
        )
        _check(libbpf().bpf_prog_test_run_opts(self.program_fd, byref(options)), "test run")
        return Outcome(options.retval, out.raw[: options.data_size_out], options.duration)

    def _handles(self) -> Iterator[tuple[str, int]]:
        """Every map's libbpf name and handle."""
        library = libbpf()
        handle = library.bpf_object__next_map(self._object, None)
        while handle:
            yield library.bpf_map__name(handle).decode(), handle
            handle = library.bpf_object__next_map(self._object, handle)

    def _initialize(self, initial: Mapping[str, bytes]) -> None:
        handles = dict(self._handles())
        for section, content in initial.items():
            if section not in handles:
                raise KeyError(f"no section {section}; the object has {', '.join(handles)}")
            _check(libbpf().bpf_map__set_initial_value(handles[section], content, len(content)), section)

    def _load(self, name: str) -> None:
        result = libbpf().bpf_object__load(self._object)
        if result == 0:
            return
        if result == -errno.EPERM and not self._log.value:
            raise SetupError("loading BPF programs needs root (CAP_BPF and CAP_NET_ADMIN)")
        log = self._log.value.decode(errors="replace")
        raise RefusedError(f"{name}: the kernel refuses the program: {os.strerror(-result)}", log)

    def _maps(self) -> Iterator[BpfMap]:
        library = libbpf()
        for name, handle in self._handles():
            sizes = (
                library.bpf_map__key_size(handle),
                library.bpf_map__value_size(handle),
                library.bpf_map__max_entries(handle),
            )
            yield BpfMap(name, library.bpf_map__fd(handle), sizes)
