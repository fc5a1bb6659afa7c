"""The rows of the scorecard, in the order in which they are played."""

from __future__ import annotations

from scorecard.cuts import truncated
from scorecard.leaks import cancelled, memory
from scorecard.loopback import all_unavailable, dead_primary, hanging_first, lost_under_faults, poison
from scorecard.proven import PROVEN
from scorecard.rows import Row
from scorecard.throttles import retry_after, throttle_expiry

ROWS = (
    Row("12 faults x 5 arrival patterns, one healthy model: lost", "0", lost_under_faults(streamed=False)),
    Row("the same as streams: lost before the first content", "0", lost_under_faults(streamed=True)),
    Row("30 % poison requests answered 500: good ones", "0 lost; 0 ejected", poison),
    Row("dead primary, a fallback: added after the first 5", "< 5 ms", dead_primary),
    Row("all 503, deadline 3 s, 20 at once, after 50 requests", "<= 3.3 s; <= 1.2 calls", all_unavailable),
    Row("hang of the preferred model, 200 requests, 10 at once", "10 calls; rest < 2 x p99", hanging_first),
    Row("Retry-After: 0, -5, 1.5, ms, 2100, 86400, NaN, 400 digits", "<= 120 s; 0 lost", retry_after),
    Row("50 at once when a rate limit ends: reach the limited model", "1 call", throttle_expiry),
    Row("truncated stream reported as success, 6 ways x 4 places", "0", truncated),
    Row("50 calls cancelled", "0 tasks; nobody", cancelled),
    Row("300 prompts of 100 kB: memory", "flat (< 15 MiB)", memory),
    *PROVEN,
)
