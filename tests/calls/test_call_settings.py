"""Limits of single calls: what a program asks for again and again is read once, and comes out the same."""

from __future__ import annotations

import pytest
from tenacity import wait_fixed

from pointsman.errors import InvalidRequestError
from pointsman.failover.calls import CallSettings, ChangedSettings


class Unhashable:
    """A function of a retry state that cannot be a key."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, state: object) -> float:
        del state
        return 0.0


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"deadline": 5},
        {"deadline": 0.0},
        {"deadline": -1.5, "attempts": 3},
        {"timeout": None, "retries": None},
        {"retries": 0, "retry_scope": "provider"},
        {"retry_wait": wait_fixed(2)},
        {"retry_wait": Unhashable()},
    ],
)
def test_limits_asked_for_again_are_those_of_the_first_time(limits: dict[str, object]) -> None:
    settings, changed = CallSettings(deadline=7.0, retries=2), ChangedSettings()
    expected = settings.with_changes(**limits)
    assert changed.of(settings, limits) == expected
    assert changed.of(settings, limits) == expected


def test_limits_are_read_once() -> None:
    settings, changed = CallSettings(), ChangedSettings()
    assert changed.of(settings, {"deadline": 5.0}) is changed.of(settings, {"deadline": 5.0})
    assert changed.of(settings, {}) is settings


def test_other_settings_are_not_mistaken_for_those_that_were_changed_before() -> None:
    changed = ChangedSettings()
    assert changed.of(CallSettings(retries=2), {"deadline": 5.0}).retries == 2
    assert changed.of(CallSettings(retries=4), {"deadline": 5.0}).retries == 4


def test_a_limit_that_could_never_be_meant_is_refused_each_time() -> None:
    settings, changed = CallSettings(), ChangedSettings()
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match="attempts"):
            changed.of(settings, {"attempts": -1})


def test_limits_that_differ_with_each_call_are_not_kept_for_ever() -> None:
    settings, changed = CallSettings(), ChangedSettings()
    for number in range(1, 1_000):
        assert changed.of(settings, {"deadline": float(number)}).deadline == number
    assert len(changed._known) <= 64
