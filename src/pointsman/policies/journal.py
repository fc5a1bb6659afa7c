"""Notes of what has changed, so that what was worked out over many models is mended rather than worked out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

_V = TypeVar("_V")
# Who comes for the first time, or after so many changes, starts anew.
_KEPT = 8192


class Journal:
    """Names in the order in which something about them changed. Writers take turns; readers need not."""

    __slots__ = ("_page",)

    def __init__(self) -> None:
        self._page: tuple[int, list[str]] = (0, [])  # how many names came before the list, and the list

    @property
    def end(self) -> int:
        """How many changes there were."""
        before, names = self._page
        return before + len(names)

    def note(self, name: str) -> None:
        """Something about this name has changed; to be said after the change."""
        before, names = self._page
        names.append(name)
        if len(names) > _KEPT:
            half = len(names) // 2
            self._page = (before + half, names[half:])

    def note_all(self) -> None:
        """Something about every name has changed."""
        self._page = (self.end + 1, [])

    def since(self, mark: int) -> list[str] | None:
        """What has changed since so many changes; None if that is not known any more.

        >>> journal = Journal()
        >>> journal.note("a")
        >>> mark = journal.end
        >>> journal.note("b")
        >>> journal.since(mark)
        ['b']
        >>> journal.note_all()
        >>> journal.since(mark) is None
        True
        """
        before, names = self._page
        return None if mark < before else names[mark - before :]


class Noted(dict[str, _V]):
    """A dict with a journal, in which whoever changes it notes what it has changed."""

    __slots__ = ("journal",)

    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal()


class Follower:
    """Says which names of a mapping may have changed since it was last asked; not for several threads at once.

    Args:
        mapping: as it is at the beginning.
    """

    __slots__ = ("_journal", "_mark", "_seen")

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self.restart(mapping)

    def restart(self, mapping: Mapping[str, Any]) -> None:
        """Begin anew: what is known now is no news."""
        self._journal = mapping.journal if isinstance(mapping, Noted) else None
        self._mark = 0 if self._journal is None else self._journal.end
        self._seen = dict(mapping) if self._journal is None else {}

    def changed(self, mapping: Mapping[str, Any]) -> Iterable[str] | None:
        """The names, or None if it may be all of them; then begin anew."""
        journal = self._journal
        if journal is None:
            if isinstance(mapping, Noted):
                return None
            seen = self._seen
            if not mapping and not seen:
                return ()
            self._seen = now = dict(mapping)
            return [name for name in {**seen, **now} if seen.get(name) != now.get(name)]
        if not isinstance(mapping, Noted) or mapping.journal is not journal:
            return None
        mark = self._mark
        if mark == journal.end:
            return ()
        fresh = journal.since(mark)
        if fresh is not None:
            self._mark = mark + len(fresh)
        return fresh
