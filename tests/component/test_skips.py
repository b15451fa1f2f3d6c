"""The rule that a skip must be listed, tried on a test run of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the rules of this test run, and one listed skip."""
    (tmp_path / "tests").mkdir()
    shutil.copy(TESTS / "conftest.py", tmp_path / "tests")
    shutil.copy(TESTS.parent / "pyproject.toml", tmp_path)
    (tmp_path / "tests" / "skips.txt").write_text("# a comment\n\ntests/test_a.py::*: no such * here\n")
    return tmp_path


def outcome(project: Path, test: str) -> tuple[int, str]:
    (project / "tests" / "test_a.py").write_text(test)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(argv, cwd=project, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def test_a_listed_skip_passes(project: Path) -> None:
    status, text = outcome(project, "import pytest\ndef test_b(): pytest.skip('no such thing here')\n")
    assert status == 0 and "1 skipped" in text


def test_a_skip_for_another_reason_fails_the_run_and_is_named(project: Path) -> None:
    status, text = outcome(project, "import pytest\ndef test_b(): pytest.skip('too slow')\n")
    assert status == 1 and "tests/test_a.py::test_b: too slow" in text


def test_a_mark_is_a_skip_like_any_other(project: Path) -> None:
    status, _ = outcome(project, "import pytest\n@pytest.mark.skip(reason='too slow')\ndef test_b(): pass\n")
    assert status == 1


def test_a_module_that_skips_itself_fails_the_run(project: Path) -> None:
    status, text = outcome(project, "import pytest\npytest.skip('no such thing here', allow_module_level=True)\n")
    assert status != 0 and "not listed" in text


def test_an_expected_failure_is_no_skip(project: Path) -> None:
    status, _ = outcome(project, "import pytest\n@pytest.mark.xfail\ndef test_b(): assert False\n")
    assert status == 0
