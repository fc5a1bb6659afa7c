"""From an exception to its row of the table: by its code, then its type, then its status, then its text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pointsman.faults.strangers import Findings, examine, read
from pointsman.faults.table import Fault, FaultKind
from pointsman.faults.waits import retry_after
from pointsman.faults.words import BY_CODE, BY_GENERAL_TYPE, BY_STATUS, BY_TEXT, BY_TYPE, OURS, REFINABLE

_DEEPEST_CAUSE = 3
_STUMBLES = (TypeError, AttributeError, LookupError)
_WAITS = frozenset({FaultKind.RATE_LIMITED, FaultKind.OVERLOADED, FaultKind.QUOTA})
_QUOTA_ID = re.compile(r"quota_?id[\"'\s:=]+([\w-]{1,200})")


def classify(error: BaseException, *, now: float | None = None) -> Fault:
    """Classify an exception; total: whatever its attributes do, the answer is a `Fault`.

    Args:
        error: what was raised.
        now: seconds since the epoch, for dates in `Retry-After`.
    """
    try:
        return _classified(error, now, _DEEPEST_CAUSE)
    except Exception:  # noqa: BLE001  hostile exceptions may raise from wherever they are touched; this is total
        return Fault(FaultKind.UNKNOWN)


def _classified(error: BaseException, now: float | None, deepest: int) -> Fault:
    for ours, kind in OURS.items():
        if isinstance(error, ours):
            return Fault(kind)
    found = examine(error)
    code, kind = _kind(error, found)
    if kind is FaultKind.UNKNOWN and deepest and found.status is None:
        # Wrappers keep what happened as their cause.
        for name in ("original_exception", "__cause__"):
            cause = read(error, name)
            if isinstance(cause, BaseException) and cause is not error:
                return _classified(cause, now, deepest - 1)
    return Fault(kind, found.status, code, retry_after(found, now) if kind in _WAITS else None)


def _kind(error: BaseException, found: Findings) -> tuple[str | None, FaultKind]:
    if str(read(error, "category")).startswith("litellm_"):  # a limiter of the caller's own
        return None, FaultKind.LOCAL
    for code in found.codes:
        kind = BY_CODE.get(code.lower())
        if kind is not None:
            return code, _refined(kind, found)
    kind = _by_type(error, BY_TYPE)
    if kind is FaultKind.TIMEOUT and found.status == 504:
        kind = FaultKind.SERVER_ERROR  # the server's time was up, not ours
    elif kind is FaultKind.UNREACHABLE and found.status == 500 and isinstance(read(error, "__context__"), _STUMBLES):
        kind = FaultKind.SERVER_ERROR  # LiteLLM's word for what it stumbled over itself, as in a request's nonsense
    if kind is not None:
        return None, kind
    kind = _by_status(found.status) or _by_type(error, BY_GENERAL_TYPE)
    if kind is None:
        return None, FaultKind.UNKNOWN
    return None, _refined(kind, found)


def _by_type(error: BaseException, names: Mapping[str, FaultKind]) -> FaultKind | None:
    for each in type(error).__mro__:
        kind = names.get(each.__name__)
        if kind is not None:
            return kind
    return None


def _by_status(status: int | None) -> FaultKind | None:
    if status is None:
        return None
    return BY_STATUS.get(status, FaultKind.SERVER_ERROR if status >= 500 else FaultKind.BAD_REQUEST)


def _refined(kind: FaultKind, found: Findings) -> FaultKind:
    if kind not in REFINABLE:
        return kind
    if kind is FaultKind.RATE_LIMITED:
        # Gemini says "exceeded your current quota" of every limit; its quota ids tell the minute from the day.
        ids = " ".join(_QUOTA_ID.findall(found.text)).replace("_", "").replace("-", "")
        if "perday" in ids or "permonth" in ids:
            return FaultKind.QUOTA
        if "perminute" in ids or "retrydelay" in found.text or "retry_delay" in found.text:
            return FaultKind.RATE_LIMITED
    for phrase, refined in BY_TEXT:
        if phrase in found.text:
            return refined
    return kind
