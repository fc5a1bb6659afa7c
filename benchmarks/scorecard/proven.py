"""Rows that take several processes, a Redis or virtual time: the project's own tests play them, once for every door."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable
from pathlib import Path

from scorecard.rows import Figure, Maker, Row

_ROOT = Path(__file__).parents[2]
_SLOWEST = re.compile(r"slowest (\d+) ms")


def _played(*tests: str) -> Callable[[Maker], Awaitable[Figure]]:
    """Play tests in a process of their own: those of these files, or these alone."""

    async def run(_: Maker) -> Figure:
        with tempfile.TemporaryDirectory() as directory:
            report = Path(directory) / "report.xml"
            command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests]
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": str(_ROOT / "src")},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                said = (await process.communicate())[0].decode(errors="replace")
            except BaseException:
                process.kill()
                await process.wait()
                raise
            return _read(report, said)

    return run


def _read(report: Path, said: str) -> Figure:
    """What the tests' report says; anything but all of them passed is no promise kept."""
    if not report.exists():
        return Figure(f"not played: {said.strip().splitlines()[-1:] or 'pytest said nothing'}", met=False)
    # Written by the process above, from this tree.
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314
    passed, broke, skipped = 0, [], []
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            broke.append(str(case.get("name")))
        elif case.find("skipped") is not None:
            skipped.append(str(case.get("name")))
        else:
            passed += 1
    if broke:
        return Figure(f"broken: {', '.join(broke)}", met=False)
    if skipped or not passed:
        return Figure(f"not played: {len(skipped)} skipped, {passed} passed", met=None)
    slowest = max(map(int, _SLOWEST.findall(said)), default=None)
    return Figure(f"kept ({passed} tests)" + (f"; slowest call {slowest} ms" if slowest is not None else ""), met=True)


_OUTAGES = "tests/shared/test_outages.py::"
_REPLICAS = "tests/shared/test_replicas.py::"
_DURABILITY = "tests/stores/test_durability.py"
_SIMULATION = "tests/calls/test_simulation.py"

PROVEN = (
    Row(
        "the same in 8 processes with one Redis, 50 each",
        "1 call; 0 lost",
        _played(
            f"{_REPLICAS}test_at_the_end_of_a_rate_limit_one_request_of_400_from_8_processes_reaches_the_model",
            f"{_REPLICAS}test_a_breaker_opens_once_for_all_and_closes_for_all",
        ),
        once=True,
    ),
    Row(
        "Redis SIGSTOP, partition, kill -9, FLUSHALL mid-run",
        "0 lost; <= 100 ms",
        _played(
            f"{_OUTAGES}test_nothing_is_lost_and_no_row_either_while_redis_hangs_or_is_cut_off",
            f"{_OUTAGES}test_nothing_is_lost_when_redis_is_killed_and_what_is_known_is_written_again",
            f"{_OUTAGES}test_what_was_flushed_is_told_again",
            f"{_OUTAGES}test_calls_that_fail_over_do_so_without_redis_too",
        ),
        once=True,
    ),
    Row(
        "a limit shared by 8 processes: over-admission",
        "0; a share without Redis",
        _played(
            f"{_REPLICAS}test_eight_processes_are_never_admitted_more_than_the_limit",
            f"{_REPLICAS}test_eight_processes_use_up_a_quota_once",
            "tests/shared/test_redis_buckets.py::test_without_the_server_each_takes_its_share_and_owes_it_afterwards",
        ),
        once=True,
    ),
    Row(
        "ledger: kill -9, full disk, read-only, corrupt file",
        "0 rows lost; a typed error",
        _played(_DURABILITY),
        once=True,
    ),
    Row(
        "worlds at random in virtual time; 50 cancelled at any step",
        "0 lost; nothing left",
        _played(
            f"{_SIMULATION}::test_nothing_is_lost_while_one_model_can_serve",
            f"{_SIMULATION}::test_calls_that_are_cancelled_leave_nothing_behind",
        ),
        once=True,
    ),
    Row(
        "the wall clock jumps by an hour; replicas' clocks differ",
        "no state changes",
        _played(
            f"{_SIMULATION}::test_a_wall_clock_that_jumps_changes_no_state",
            "tests/limits/test_bucket_laws.py::test_setting_the_wall_clock_moves_no_window",
            "tests/shared/test_redis_link.py::test_processes_whose_clocks_differ_by_hours_mean_the_same_moments",
        ),
        once=True,
    ),
    Row(
        "simulated requests (--long: 1,000,000): memory, threads, tasks",
        "flat",
        _played("tests/calls/test_memory.py"),
        once=True,
    ),
    Row(
        "50 secrets through every log, repr, error, store, metric",
        "0 found",
        _played("tests/test_secrets.py"),
        once=True,
    ),
)
