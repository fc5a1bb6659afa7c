"""Which models can serve a request at all, by bitmasks; and for each that cannot, the check it failed and why.

One list of checks serves both: a check's mask decides, the same check's words explain. Fixed needs (everything that
does not depend on the prompt's size) are one cached mask per snapshot; sizes and costs come after.
"""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.eligibility.question import Exclusion, Question
from pointsman.eligibility.requirements import FIXED, fixed_mask
from pointsman.eligibility.sizing import COST, SIZED, affordable
from pointsman.eligibility.tokens import media_of
from pointsman.errors import InvalidRequestError
from pointsman.registry.snapshot import Snapshot, set_bits
from pointsman.types import Request


def eligible(question: Question) -> int:
    """The mask of models that can serve the request."""
    mask = fixed_mask(question)
    for check in SIZED:
        if mask and check.applies(question):
            mask &= check.mask(question) if check is not COST else affordable(question, mask)
    return mask


def excluded(question: Question) -> dict[str, Exclusion]:
    """For every registered model that cannot serve the request, the first check it fails."""
    snapshot = question.snapshot
    remaining = snapshot.live
    result: dict[str, Exclusion] = {}
    for check in (*FIXED, *SIZED):
        if not remaining or not check.applies(question):
            continue
        passed = check.mask(question) if check is not COST else affordable(question, remaining)
        for bit in set_bits(remaining & ~passed):
            spec = snapshot.specs[bit]
            if spec is not None:
                result[spec.key] = Exclusion(check.name, check.reason(spec, question))
        remaining &= passed
    return result


def needs_of(request: Request, snapshot: Snapshot) -> frozenset[str]:
    """The capabilities a request needs, said or implied by its tools, its response format and its media.

    Raises:
        InvalidRequestError: E4103, for a name that is no capability.
    """
    needs = request.needs
    if not needs and not request.tools and request.response_format is None and not request.messages:
        return frozenset()
    implied: set[str] = set()
    if request.tools:
        implied.add("tools")
    if request.response_format is not None:
        implied.add("json")
    if request.messages and not isinstance(request.messages, str):
        implied |= media_of(request.messages)
    if not needs and not implied:
        return frozenset()
    try:
        return frozenset(snapshot.capability(need) for need in needs) | implied
    except ValueError as error:
        raise InvalidRequestError(str(error), field="needs") from None


def by_check(exclusions: Mapping[str, Exclusion]) -> dict[str, int]:
    """How many models each check left out."""
    counts: dict[str, int] = {}
    for exclusion in exclusions.values():
        counts[exclusion.check] = counts.get(exclusion.check, 0) + 1
    return counts
