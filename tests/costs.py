"""A pytest plugin that lists what each file's tests cost in processor time: `-p tests.costs`, alone or with xdist.

Processor time, for on a busy machine the clock measures the others; with its children's, for tests are mostly those.
"""

from __future__ import annotations

import os
import resource
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests import forked

NAME = "processor time"
MOST = 60  # lines
_spent: defaultdict[str, float] = defaultdict(float)


def _now() -> float:
    """Seconds of this process, of its children that have ended, and of what the fork server has forked."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    ticks = 0
    if forked.server.cache_info().currsize:
        stat = Path(f"/proc/{forked.server().process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = sum(int(field) for field in stat[11:15])
    return sum(one.ru_utime + one.ru_stime for one in used) + ticks / os.sysconf("SC_CLK_TCK")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note it beside the report of the teardown, the only thing that reaches xdist's controller."""
    began = _now()
    item.stash[_BEGAN] = began
    return (yield)


_BEGAN = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """What the test has used up to its end."""
    report = yield
    if call.when == "teardown":
        report.user_properties.append((NAME, _now() - item.stash[_BEGAN]))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add it up."""
    for name, value in report.user_properties:
        if name == NAME and report.when == "teardown":
            _spent[report.nodeid] += float(str(value))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Files first, then the dearest tests."""
    files: defaultdict[str, float] = defaultdict(float)
    for test, seconds in _spent.items():
        files[test.partition("::")[0]] += seconds
    for title, costs in (("files", files), ("tests", _spent)):
        terminalreporter.section(f"{NAME} by {title}: {sum(costs.values()):.0f} s")
        for name, seconds in sorted(costs.items(), key=lambda pair: -pair[1])[:MOST]:
            terminalreporter.line(f"{seconds:8.2f}  {name}")
