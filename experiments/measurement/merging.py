"""One file of a whole run: every capture in order of time, the run's events as packet comments on its markers."""

import shutil
import subprocess
from pathlib import Path

from experiments import pcapng
from experiments.measurement import events, frames
from meclab.errors import PeerError, RunError

MERGED = "merged"


def merge(run_dir: Path) -> Path:
    """Writes `captures/merged.pcapng` out of the run's other captures; raises `RunError` with the tool's words."""
    folder = run_dir / "captures"
    merged, joined, ordered = (folder / f"{MERGED}.{end}" for end in ("pcapng", "joined", "ordered"))
    mended = folder / f"{MERGED}.mended"
    try:
        parts = _parts(folder, mended)
        _run("mergecap", "-w", str(joined), *map(str, parts))
        _run("reordercap", str(joined), str(ordered))
        joined.unlink()
        _run("editcap", *_comments(ordered), str(ordered), str(merged))
    except RunError:
        merged.unlink(missing_ok=True)
        raise
    finally:
        joined.unlink(missing_ok=True)
        ordered.unlink(missing_ok=True)
        shutil.rmtree(mended, ignore_errors=True)
    return merged


def _parts(folder: Path, mended: Path) -> list[Path]:
    """The captures to merge; of one that was cut short a copy without its last block, which `mergecap` would refuse."""
    parts = []
    for path in sorted(path for path in folder.glob("*.pcapng") if path.stem != MERGED):
        try:
            whole = pcapng.whole_bytes(path)
        except PeerError:
            continue
        if whole < path.stat().st_size:
            mended.mkdir(exist_ok=True)
            (mended / path.name).write_bytes(path.read_bytes()[:whole])
            path = mended / path.name
        parts.append(path)
    if not parts:
        raise RunError("there are no captures to merge")
    return parts


def _comments(path: Path) -> list[str]:
    """`editcap`'s options: frame number and comment of every marker frame."""
    capture = pcapng.read(path)
    return [
        word
        for seen in events.markers(capture, frames.decode(capture))
        for word in ("-a", f"{seen.index + 1}:{seen.marker.comment()}")
    ]


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"{argv[0]} failed: {done.stderr.strip()[-500:]}")
