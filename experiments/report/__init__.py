"""Reports: a page for one run, a page that compares several, and their figures as files for a paper.

Drawing is imported when a report is written, so that commands that write none start at once.
"""

from collections.abc import Sequence
from pathlib import Path


def write_run(run_dir: Path) -> Path:
    """Writes `report.html` and `figures/` into a run folder; returns the page's path."""
    from experiments.report import page

    return page.write_run(run_dir)


def write_comparison(run_dirs: Sequence[Path], out_dir: Path) -> Path:
    """Writes `report.html` and `figures/` about several runs into `out_dir`; returns the page's path."""
    from experiments.report import page

    return page.write_comparison(run_dirs, out_dir)
