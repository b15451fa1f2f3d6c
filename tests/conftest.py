"""Rules of the whole test run: a test that is skipped must be listed with its reason, or the run fails."""

import os
import re
from fnmatch import fnmatch
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("meclab", deadline=None)  # no test is about time
hypothesis.settings.load_profile("meclab")
TESTS = Path(__file__).parent
ALLOWED = TESTS / "skips.txt"
TIMEOUT_S = {"vm": 600, "net": 180}
"""Longest time for a test with a mark, its fixtures included; pyproject.toml says it for the others."""
_unlisted = pytest.StashKey[list[str]]()
_modules: list[str] = []


def pytest_configure(config):
    config.stash[_unlisted] = []


def pytest_collectreport(report):
    """A module that skips itself as a whole hides its tests."""
    if report.skipped:
        _modules.append(f"{report.nodeid}: {report.longrepr[2]}")


def pytest_collection_modifyitems(items):
    for item in items:
        for mark, seconds in TIMEOUT_S.items():
            if item.get_closest_marker(mark) and not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(seconds))


def pytest_runtest_setup(item):
    if item.get_closest_marker("net") and os.geteuid() != 0:
        pytest.skip("needs root")


def allowed(skips: str, test: str, reason: str) -> bool:
    """Whether `skips`, lines of `pattern of tests: pattern of reasons`, lists a skipped test."""
    lines = [line.split("#")[0].strip() for line in skips.splitlines()]
    pairs = [re.split(r":\s+", line, maxsplit=1) for line in lines if line]
    return any(fnmatch(test, tests) and fnmatch(reason, reasons) for tests, reasons in pairs)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not allowed(ALLOWED.read_text(), item.nodeid, reason):
            item.config.stash[_unlisted].append(f"{item.nodeid}: {reason}")
    return report


def pytest_sessionfinish(session, exitstatus):
    unlisted = session.config.stash[_unlisted] + _modules
    if unlisted and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    unlisted = config.stash[_unlisted] + _modules
    if unlisted:
        terminalreporter.section("skipped, but not listed in tests/skips.txt", red=True)
        for line in unlisted:
            terminalreporter.write_line(line)
