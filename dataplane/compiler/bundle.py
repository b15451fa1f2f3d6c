"""A compiled program in one piece: what a switch runs, and what a controller sends as `p4_device_config`.

A zip archive of the files that `./lab p4 compile` writes.
"""

import io
import json
import zipfile
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from finsy.proto import p4i, p4r

from dataplane.compiler.layout import Layout
from dataplane.compiler.p4info import p4info_text
from meclab.errors import InputError

SUFFIX = ".bundle"
LARGEST_BYTES = 64 << 20
"""What the files of a bundle may have together, unpacked."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every file: the same program is the same bytes."""


@dataclass(frozen=True)
class Bundle:
    """A compiled program."""

    name: str
    p4info: p4i.P4Info
    layout: Layout
    entries: p4r.WriteRequest
    """Default actions and entries of the source (`compiler.initial`)."""
    c: str
    object: bytes

    def files(self) -> dict[str, bytes]:
        """The files by name; `NAME.p4info.txt` and `.p4info.bin` are P4Info in both forms."""
        return {
            f"{self.name}.p4info.txt": p4info_text(self.p4info).encode(),
            f"{self.name}.p4info.bin": self.p4info.SerializeToString(deterministic=True),
            f"{self.name}.layout.json": json.dumps(asdict(self.layout), indent=1).encode(),
            f"{self.name}.entries.bin": self.entries.SerializeToString(deterministic=True),
            f"{self.name}.c": self.c.encode(),
            f"{self.name}.o": self.object,
        }

    def encode(self) -> bytes:
        """The archive."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.files().items():
                archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    def write(self, folder: Path) -> list[Path]:
        """Writes the files and the archive; what was written."""
        folder.mkdir(parents=True, exist_ok=True)
        contents = {**self.files(), f"{self.name}{SUFFIX}": self.encode()}
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return [folder / name for name in contents]


def decode(data: bytes, where: str = "the device config") -> Bundle:
    """A bundle from an archive; raises `InputError` for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST_BYTES:
                raise InputError(f"{where}: found more than {LARGEST_BYTES >> 20} MiB; expected a compiled program")
            contents = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{where}: found {len(data)} bytes that are no bundle ({error}); "
            f"expected the {SUFFIX} file of ./lab p4 compile"
        ) from None
    return _assemble(contents, where)


def read(path: Path) -> Bundle:
    """A bundle from its file, or from the folder that `compile -o` wrote."""
    if path.is_dir():
        found = sorted(path.glob(f"*{SUFFIX}"))
        if len(found) != 1:
            raise InputError(f"{path}: found {len(found)} files *{SUFFIX}; expected one, of ./lab p4 compile -o")
        path = found[0]
    return decode(path.read_bytes(), str(path))


def _assemble(contents: dict[str, bytes], where: str) -> Bundle:
    names = [name.removesuffix(".layout.json") for name in contents if name.endswith(".layout.json")]
    if len(names) != 1:
        raise InputError(f"{where}: found {len(names)} files *.layout.json in the bundle; expected one")
    name = names[0]
    try:
        return Bundle(
            name,
            p4i.P4Info.FromString(contents[f"{name}.p4info.bin"]),
            _layout(contents[f"{name}.layout.json"]),
            p4r.WriteRequest.FromString(contents[f"{name}.entries.bin"]),
            contents[f"{name}.c"].decode(),
            contents[f"{name}.o"],
        )
    except KeyError as error:
        raise InputError(f"{where}: found no {error.args[0]} in the bundle; expected one") from None
    except Exception as error:  # whatever a parser says of foreign bytes
        raise InputError(f"{where}: found a bundle that cannot be read: {error}") from None


def _layout(data: bytes) -> Layout:
    return cast(Layout, _build(Layout, json.loads(data)))


def _build(wanted: Any, raw: Any) -> Any:
    """A value of a dataclass, tuple, union or plain type from its JSON; `ValueError` where it is another."""
    if is_dataclass(wanted):
        hints = get_type_hints(wanted)
        if not isinstance(raw, dict) or set(raw) != set(hints):
            raise ValueError(f"found other members; expected {', '.join(hints)}")
        return cast(type, wanted)(**{name: _build(hints[name], raw[name]) for name in hints})
    if get_origin(wanted) is tuple:
        return tuple(_build(get_args(wanted)[0], each) for each in raw)
    if get_origin(wanted) is Literal:
        allowed: tuple[Any, ...] = get_args(wanted)
    elif get_origin(wanted) is UnionType:
        allowed = (raw,) if isinstance(raw, get_args(wanted)) else ()
    else:
        allowed = (raw,) if type(raw) is wanted else ()
    if raw not in allowed:
        raise ValueError(f"{raw!r} is no {wanted}")
    return raw
