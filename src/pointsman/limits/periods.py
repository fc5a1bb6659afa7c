"""Windows of time and when they end: of so many seconds since the epoch, ISO weeks, and calendar months, all in UTC."""

from __future__ import annotations

import time
from calendar import timegm
from typing import Literal

Kind = Literal["rate", "window", "week", "month"]

WEEK = 604_800.0
# For people, and for a place that knows no months: the longest there is.
LONGEST_MONTH = 31 * 86_400.0
# The epoch began on a Thursday.
_MONDAY = 3 * 86_400.0
_MONTHS = 12


def number_of(kind: Kind, period: float, moment: float) -> float:
    """Which window a moment lies in, both in seconds since the epoch."""
    if kind == "month":
        date = time.gmtime(moment)
        return float(date.tm_year * _MONTHS + date.tm_mon - 1)
    if kind == "week":
        return (moment + _MONDAY) // WEEK
    return moment // period


def end_of(kind: Kind, period: float, number: float) -> float:
    """When a window ends, in seconds since the epoch.

    >>> time.gmtime(end_of("month", LONGEST_MONTH, number_of("month", LONGEST_MONTH, 951_782_399)))[:3]
    (2000, 3, 1)
    """
    if kind == "month":
        year, month = divmod(int(number) + 1, _MONTHS)
        return float(timegm((year, month + 1, 1, 0, 0, 0)))
    if kind == "week":
        return (number + 1) * WEEK - _MONDAY
    return (number + 1) * period


# The same where the server's clock counts; dates as days since March 0000, when a leap day ends a year (Hinnant).
LUA = """
local function number_of(kind, period, moment)
    if kind == 'week' then return math.floor((moment + 259200) / 604800) end
    if kind ~= 'month' then return math.floor(moment / period) end
    local days = math.floor(moment / 86400) + 719468
    local era = math.floor(days / 146097)
    local day = days - era * 146097
    local year = math.floor(
        (day - math.floor(day / 1460) + math.floor(day / 36524) - math.floor(day / 146096)) / 365)
    day = day - (365 * year + math.floor(year / 4) - math.floor(year / 100))
    return (year + era * 400) * 12 + math.floor((5 * day + 2) / 153) + 2
end

local function end_of(kind, period, number)
    if kind == 'week' then return (number + 1) * 604800 - 259200 end
    if kind ~= 'month' then return (number + 1) * period end
    local from_march = number + 1 - 2
    local year, month = math.floor(from_march / 12), from_march % 12
    local era = math.floor(year / 400)
    year = year - era * 400
    local days = 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor((153 * month + 2) / 5)
    return (era * 146097 + days - 719468) * 86400
end
"""
