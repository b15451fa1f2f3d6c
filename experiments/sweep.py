"""A sweep: the product of parameters, methods and seeds, run by run, and gone on with after an interruption.

Its folder is named by what it consists of, so the same command finds what is done already. `sweep.json` there maps
each run, by the digest of its plan, to its folder; a run that did not come to its end is made again.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments import runner
from experiments.results import read_manifest
from meclab.errors import InputError

STATE = "sweep.json"


@dataclass(frozen=True)
class Sweep:
    """The runs of a sweep, in order, and its folder."""

    folder: Path
    jobs: tuple[runner.Job, ...]

    def done(self) -> dict[str, Path]:
        """Digest to folder of the runs that came to their end. Raises `InputError` for a state that is none."""
        path = self.folder / STATE
        try:
            state = json.loads(path.read_text()) if path.exists() else {"runs": {}}
            runs = {digest: self.folder / folder for digest, folder in state["runs"].items()}
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(f"{path}: found no state of a sweep ({error}); remove it to begin anew") from error
        return {digest: folder for digest, folder in runs.items() if _is_complete(folder)}

    def left(self) -> list[runner.Job]:
        """The runs still to make."""
        done = self.done()
        return [job for job in self.jobs if digest(job) not in done]

    def folders(self) -> list[Path]:
        """The folders of the finished runs, in the order of the sweep."""
        done = self.done()
        return [done[digest(job)] for job in self.jobs if digest(job) in done]

    def note(self, job: runner.Job, run_dir: Path) -> None:
        """Notes a run as done; the state is replaced in one step, so that an interruption leaves the old or the new."""
        runs = {key: os.path.relpath(folder, self.folder) for key, folder in self.done().items()}
        runs[digest(job)] = os.path.relpath(run_dir.resolve(), self.folder.resolve())
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = self.folder / f"{STATE}.part"
        scratch.write_text(json.dumps({"runs": runs}, indent=1) + "\n")
        scratch.replace(self.folder / STATE)


def make(jobs: Sequence[runner.Job], out: Path, name: str | None = None) -> Sweep:
    """The sweep of these runs, in `OUT/sweeps/<name>`; by default named by its scenario and content."""
    content = hashlib.sha256("".join(digest(job) for job in jobs).encode()).hexdigest()[:8]
    return Sweep(out.resolve() / "sweeps" / (name or f"{jobs[0].plan.scenario}-{content}"), tuple(jobs))


def digest(job: runner.Job) -> str:
    """Tells one run from another: method, seed and every parameter are in its plan."""
    return hashlib.sha256(f"{job.plan.model_dump_json()}{job.datapath}".encode()).hexdigest()[:16]


def _is_complete(run_dir: Path) -> bool:
    try:
        manifest = read_manifest(run_dir)
    except (OSError, ValueError):
        return False
    return manifest is not None and manifest.status != "incomplete"
