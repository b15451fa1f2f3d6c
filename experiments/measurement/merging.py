"""One file of a whole run: every capture in order of time, the run's events as packet comments on its markers."""

import subprocess
from pathlib import Path

from experiments import pcapng
from experiments.measurement import events, frames
from meclab.errors import RunError

MERGED = "merged"


def merge(run_dir: Path) -> Path:
    """Writes `captures/merged.pcapng` out of the run's other captures; raises `RunError` with the tool's words."""
    folder = run_dir / "captures"
    parts = sorted(path for path in folder.glob("*.pcapng") if path.stem != MERGED)
    if not parts:
        raise RunError("there are no captures to merge")
    merged, joined, ordered = (folder / f"{MERGED}.{end}" for end in ("pcapng", "joined", "ordered"))
    try:
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
    return merged


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
