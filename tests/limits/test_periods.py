"""Windows of the calendar: days, weeks and months end when people say they do, in memory and on the server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import LONG

from pointsman import ModelRegistry, ModelSpec, Outcome, Request, Router
from pointsman.errors import BudgetExceededError
from pointsman.limits.buckets import Take
from pointsman.limits.memory import MemoryBuckets
from pointsman.limits.periods import LONGEST_MONTH, LUA, WEEK, Kind, end_of, number_of
from pointsman.limits.redis_buckets import RedisBuckets
from pointsman.limits.reservation import Reservation
from pointsman.limits.settings import CALENDAR, BudgetSettings, Quota
from pointsman.stores.redis_link import RedisLink
from pointsman.testing import FakeClock
from pointsman.types import SystemClock

ROUNDS = settings(max_examples=2_000 if LONG else 200, deadline=None)
KINDS = ["week", "month"]
MOMENTS = st.datetimes(datetime(1970, 1, 5), datetime(2399, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(sep=" ").removesuffix("+00:00")


def ends(kind: Kind, text: str) -> str:
    period = CALENDAR.get(kind, 86_400.0)
    return when(end_of(kind, period, number_of(kind, period, seconds(text))))


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-01-31 23:59:59", "2026-02-01 00:00:00"),
        ("2026-02-01 00:00:00", "2026-03-01 00:00:00"),
        ("2028-02-28 12:00:00", "2028-03-01 00:00:00"),
        ("2028-02-29 23:59:59", "2028-03-01 00:00:00"),
        ("2026-04-30 00:00:00", "2026-05-01 00:00:00"),
        ("2026-12-31 23:59:59", "2027-01-01 00:00:00"),
        ("2100-02-28 23:59:59", "2100-03-01 00:00:00"),
    ],
)
def test_a_month_ends_with_the_month(moment: str, end: str) -> None:
    assert ends("month", moment) == end


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-11-21 12:00:00", "2026-11-23 00:00:00"),  # a Saturday
        ("2026-11-22 23:59:59", "2026-11-23 00:00:00"),
        ("2026-11-23 00:00:00", "2026-11-30 00:00:00"),
        ("2026-12-31 00:00:00", "2027-01-04 00:00:00"),
    ],
)
def test_a_week_begins_on_its_monday(moment: str, end: str) -> None:
    assert ends("week", moment) == end


def test_a_day_ends_at_midnight_utc() -> None:
    assert ends("window", "2026-11-21 23:59:59") == "2026-11-22 00:00:00"


@ROUNDS
@given(MOMENTS)
def test_a_window_holds_the_moments_of_its_month_or_its_iso_week_and_no_others(moment: datetime) -> None:
    at = moment.timestamp()
    month, week = number_of("month", LONGEST_MONTH, at), number_of("week", WEEK, at)
    assert divmod(month, 12) == (moment.year, moment.month - 1)
    end = datetime.fromtimestamp(end_of("week", WEEK, week), UTC)
    assert end.isoweekday() == 1
    assert timedelta(0) < end - moment <= timedelta(days=7)


def on_the_server(link: RedisLink, moments: list[float], kind: str) -> list[tuple[float, float]]:
    """Number and end of each moment's window, as the script on the server says."""
    told = link.script(
        LUA
        + """
local told = {}
for _, moment in ipairs(ARGV) do
    if moment ~= ARGV[1] then
        local number = number_of(ARGV[1], 0, tonumber(moment))
        told[#told + 1] = string.format('%.0f', number)
        told[#told + 1] = string.format('%.0f', end_of(ARGV[1], 0, number))
    end
end
return told
"""
    )([], [kind, *map(repr, moments)])
    numbers = [float(each) for each in told]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_counts_the_same_windows_for_four_centuries(redis_url: str, kind: Kind) -> None:
    link = RedisLink(redis_url)
    firsts = [datetime(year, month, 1, tzinfo=UTC).timestamp() for year in range(1971, 2372) for month in range(1, 13)]
    moments = [first + shift for first in firsts for shift in (-1.0, 0.0, 43_200.0)]
    ours = [(number, end_of(kind, 0, number)) for number in (number_of(kind, 0, moment) for moment in moments)]
    assert on_the_server(link, moments, kind) == ours
    link.close()


@pytest.mark.parametrize("kind", KINDS)
def test_on_the_server_a_calendar_window_is_taken_to_its_end_and_says_when_there_is_more(
    redis_url: str, kind: Kind
) -> None:
    clock = SystemClock()
    buckets = RedisBuckets(RedisLink(redis_url), clock, lambda: 1)
    one = Take(f"requests|t|{kind}", 1, 3, CALENDAR[kind], kind)
    assert [buckets.take([one]) for _ in range(3)] == [0] * 3
    left = end_of(kind, one.period, number_of(kind, one.period, clock.time())) - clock.time()
    assert buckets.take([one]) == pytest.approx(left, abs=5)


@pytest.mark.parametrize("kind", KINDS)
def test_in_memory_a_calendar_window_is_full_again_when_it_ends(kind: Kind) -> None:
    clock = FakeClock(epoch=seconds("2026-01-30 12:00:00"))
    buckets = MemoryBuckets(clock)
    one = Take("requests|t", 1, 1, CALENDAR[kind], kind)
    waits = []
    for _ in range(15):
        assert buckets.take([one]) == 0
        wait = buckets.take([one])
        clock.advance(wait - 1)
        assert buckets.take([one]) == pytest.approx(1)
        clock.advance(1)
        waits.append(wait)
    lengths = {round(later / 86_400) for later in waits[1:]}
    assert lengths == ({7} if kind == "week" else {28, 30, 31})


def test_what_was_taken_in_january_is_no_credit_in_february() -> None:
    take = Take("usd|t|month", 2.0, 5, CALENDAR["month"], "month")
    held = Reservation((take,), seconds("2026-01-31 23:59:00"))
    assert held.refund(None, now=seconds("2026-01-31 23:59:59"))[0].amount == -2.0
    assert held.refund(None, now=seconds("2026-02-01 00:00:01")) == []


def budgeted(clock: FakeClock, **quota: Any) -> Router:
    model = ModelSpec(name="m", provider="openai", cost_per_1m_input_tokens=1, cost_per_1m_output_tokens=1)
    return Router(ModelRegistry([model]), clock=clock, budget=BudgetSettings(tenants={"acme": (Quota(**quota),)}))


@pytest.mark.parametrize(
    ("period", "start", "ends"),
    [
        ("month", "2026-01-31 23:00:00", ["2026-02-01", "2026-03-01", "2026-04-01"]),
        ("week", "2026-02-27 23:00:00", ["2026-03-02", "2026-03-09"]),
        ("day", "2028-02-28 23:00:00", ["2028-02-29", "2028-03-01", "2028-03-02"]),
    ],
)
def test_a_budget_that_is_used_up_says_when_its_period_ends(period: str, start: str, ends: list[str]) -> None:
    clock = FakeClock(epoch=seconds(start))
    router = budgeted(clock, requests=1, period=period)
    for end in ends:
        request = Request(messages="hi", tenant="acme")
        router.observe(router.decide(request), Outcome(input_tokens=1, output_tokens=1))
        with pytest.raises(BudgetExceededError) as spent:
            router.check_budget("acme")
        assert spent.value.retry_after == pytest.approx(seconds(end) - clock.time())
        clock.advance(seconds(end) - clock.time())
        router.check_budget("acme")


def test_a_month_of_the_calendar_and_one_of_thirty_days_are_two_quotas() -> None:
    quotas = (Quota(usd=1, period="month"), Quota(usd=1, period=2_592_000))
    assert [quota.window for quota in quotas] == [("month", CALENDAR["month"]), ("window", 2_592_000)]
    assert BudgetSettings(total=quotas).total == quotas
