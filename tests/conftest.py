"""On a machine that has everything (``DERIVE_ALL_TESTS=1``, as in `.ci/run`), a skipped test is a failure."""

from __future__ import annotations

import os

import pytest

# Tests run side by side, and threads of several BLAS that wait for each other make small matrices a hundred times slower.
# Set before numpy is imported for the first time, and inherited by the processes that tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("DERIVE_ALL_TESTS") == "1" and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
