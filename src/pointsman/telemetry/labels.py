"""Labels that cannot run away: so many names are told apart, all others are one."""

from __future__ import annotations

import threading
from hashlib import sha256

OTHER = "other"
_LONGEST = 120


class Names:
    """The first names that come are told apart; whatever comes after them is `other`.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, str] = {}
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._known)

    def label(self, name: str) -> str:
        """The label of a name."""
        known = self._known.get(name)
        if known is not None:
            return known
        if len(self._known) >= self._most:
            return OTHER
        with self._lock:
            if len(self._known) >= self._most:
                return OTHER
            return self._known.setdefault(name, fitting(name))

    def known(self) -> list[str]:
        """The names that have a label of their own."""
        return list(self._known)


def fitting(name: str) -> str:
    """A name as a label: one line of a bounded length, in characters that can be encoded."""
    clean = "".join(each if each.isprintable() else "?" for each in name[:_LONGEST])
    return clean.encode("utf-8", "replace").decode()


def hashed(tenant: str) -> str:
    """A tenant without its name: the same one is told from others, across processes too."""
    return sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()[:12]
