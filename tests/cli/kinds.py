"""Types of the fixtures of this folder."""

from __future__ import annotations

from collections.abc import Callable

from click.testing import Result

Invoke = Callable[..., Result]
Write = Callable[..., str]
