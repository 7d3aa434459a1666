"""The guard of `skip_guard.py`, tried on runs of its own."""

from __future__ import annotations

import pytest

from tests.skip_guard import ALLOWED, SkipGuard

pytest_plugins = ["pytester"]

TESTS = """
    import pytest

    def test_that_runs(): pass

    @pytest.mark.skip(reason="the server is not there")
    def test_that_does_not(): pass

    @pytest.mark.xfail(strict=True)
    def test_that_is_known_to_fail(): assert False
"""


def run(pytester: pytest.Pytester, source: str, allowed: dict[str, str]) -> tuple[pytest.RunResult, SkipGuard]:
    pytester.makepyfile(test_it=source)
    guard = SkipGuard(allowed)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", plugins=[guard]), guard


def test_a_skip_that_nothing_allows_fails_the_run_and_is_printed_with_its_reason(pytester: pytest.Pytester) -> None:
    result, guard = run(pytester, TESTS, {})
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert list(guard.skipped) == ["test_it.py::test_that_does_not"]
    result.stdout.fnmatch_lines(
        [
            "skipped tests: 1, of which not allowed: 1",
            "not allowed to be skipped: test_it.py::test_that_does_not: Skipped: the server is not there",
        ]
    )


def test_a_skip_on_the_list_passes_and_is_counted(pytester: pytest.Pytester) -> None:
    result, _ = run(pytester, TESTS, {"test_it.py::test_that_does_*": "its server cannot run here"})
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["skipped tests: 1, of which not allowed: 0"])


def test_a_skip_inside_a_test_and_one_of_a_whole_module_are_seen(pytester: pytest.Pytester) -> None:
    result, guard = run(pytester, "import pytest\n\ndef test_it():\n    pytest.skip('too late')\n", {})
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert guard.unexpected == {"test_it.py::test_it": "Skipped: too late"}

    result, guard = run(pytester, "import pytest\n\npytest.importorskip('no_such_library')\n", {})
    assert result.ret != pytest.ExitCode.OK
    assert list(guard.unexpected) == ["test_it.py"]


def test_a_run_without_a_skip_passes(pytester: pytest.Pytester) -> None:
    result, _ = run(pytester, "def test_it(): pass\n", {})
    assert result.ret == pytest.ExitCode.OK


def test_this_run_is_guarded(pytestconfig: pytest.Config) -> None:
    guards = [plugin for plugin in pytestconfig.pluginmanager.get_plugins() if isinstance(plugin, SkipGuard)]
    assert [guard.allowed for guard in guards] == [ALLOWED]
    assert all(reason for reason in ALLOWED.values())
