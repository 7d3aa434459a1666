"""A skipped test proves nothing and is green: every skip is on the list below, or the run fails and says why."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatch

import pytest

from tests.servers.mysql_package import WHY_NOT, can_be_had

# Pattern of a test's id -> why it may be skipped. Empty is best.
ALLOWED: dict[str, str] = {} if can_be_had() else {"*::*mysql97*": WHY_NOT}


class SkipGuard:
    """pytest plugin: fails a run in which a test was skipped that `allowed` does not name."""

    def __init__(self, allowed: Mapping[str, str]) -> None:
        self.allowed = allowed
        self.skipped: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # An expected failure is reported as skipped too; it has run.
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[report.nodeid] = _reason(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped[report.nodeid] = _reason(report)

    @property
    def unexpected(self) -> dict[str, str]:
        """Id and reason of every skip that nothing allows."""
        return {test: why for test, why in self.skipped.items() if not any(fnmatch(test, pattern) for pattern in self.allowed)}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unexpected and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(f"skipped tests: {len(self.skipped)}, of which not allowed: {len(self.unexpected)}")
        for test, why in self.unexpected.items():
            terminalreporter.write_line(f"not allowed to be skipped: {test}: {why}", red=True)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
