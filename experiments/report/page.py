"""Writes the pages and their figures: the only part of the report that touches files other than a run's own."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import meclab
from experiments.report import comparison, run, single, tables
from experiments.report.drawing import Picture
from experiments.report.environment import templates
from meclab.errors import RunError


def write_run(run_dir: Path) -> Path:
    """Writes `report.html` and `figures/` into a run's folder; raises `RunError` where it is none."""
    context, pictures = single.context(run.read(run_dir))
    return _write("run.html.j2", run_dir, context, pictures)


def write_comparison(run_dirs: Sequence[Path], out_dir: Path) -> Path:
    """Writes `report.html`, `figures/` and tables as CSV about several runs into a folder, made where it is missing."""
    if not run_dirs:
        raise RunError("a comparison needs at least one run")
    runs = [run.read(folder) for folder in run_dirs]
    paths = [os.path.relpath(folder.resolve(), out_dir.resolve()) for folder in run_dirs]
    context, pictures = comparison.context(runs, paths)
    page = _write("comparison.html.j2", out_dir, context, pictures)
    tables.write(out_dir, runs, context["rows"])
    return page


def _write(template: str, folder: Path, context: dict[str, Any], pictures: Iterable[Picture]) -> Path:
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        (figures / f"{picture.name}.svg").write_text(picture.svg)
    path = folder / "report.html"
    path.write_text(templates().get_template(template).render(version=meclab.VERSION, **context))
    return path
