"""The status line of `pointsman route`: on a terminal, and nowhere else."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from samples import StatusError

from pointsman import Router
from pointsman.cli.status import StatusLine


class Terminal(io.StringIO):
    def __init__(self, *, seen: bool) -> None:
        super().__init__()
        self._seen = seen

    def isatty(self) -> bool:
        return self._seen


def fail_first(attempt: Any) -> str:
    if attempt.number == 1:
        raise StatusError(503)
    return "hi"


@pytest.mark.parametrize("seen", [True, False])
def test_it_says_who_is_asked_and_who_has_failed_and_is_gone_after_that(
    seen: bool, make_router: Callable[..., Router]
) -> None:
    router, terminal = make_router(), Terminal(seen=seen)
    status = StatusLine(terminal, router.clock)
    router.listen(status)
    router.run("hello", fail_first)
    status.clear()
    status.clear()
    lines = terminal.getvalue().split("\r\x1b[2K")
    if seen:
        assert lines[1] == "asking openai:cheap ..."
        assert lines[2].endswith(" (openai:cheap: overloaded) ...")
        assert lines[3] == ""
        assert len(lines) == 4
    else:
        assert lines == [""]
