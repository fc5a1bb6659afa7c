"""The log of a model server: written by its thread, read by the test's."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .models import RequestRecord

__all__ = ["Entry", "Journal"]


class Entry:
    """One request under way; final before the client can see the end of the answer."""

    def __init__(self, record: RequestRecord, changed: threading.Condition, *, is_call: bool) -> None:
        self._record = record
        self._changed = changed
        self._since = time.monotonic()
        self.is_call = is_call

    @property
    def record(self) -> RequestRecord:
        """What is known so far."""
        return self._record

    def note(self, **values: Any) -> None:
        """Set fields of the record."""
        with self._changed:
            self._record = replace(self._record, **values)
            self._changed.notify_all()

    def end(self) -> None:
        """Set the seconds, once."""
        if self._record.seconds is None:
            self.note(seconds=time.monotonic() - self._since)


class Journal:
    """Records in the order of arrival."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._entries: list[Entry] = []

    @property
    def records(self) -> list[RequestRecord]:
        """Copy the records."""
        with self._changed:
            return [entry.record for entry in self._entries]

    @property
    def calls(self) -> int:
        """Count the completion and embedding requests."""
        with self._changed:
            return sum(entry.is_call for entry in self._entries)

    @property
    def in_flight(self) -> int:
        """Count the requests that have not ended."""
        with self._changed:
            return sum(entry.record.seconds is None for entry in self._entries)

    def open(self, record: RequestRecord, *, is_call: bool) -> Entry:
        """Add a record that is under way."""
        with self._changed:
            entry = Entry(record, self._changed, is_call=is_call)
            self._entries.append(entry)
            self._changed.notify_all()
            return entry

    def clear(self) -> None:
        """Forget all records."""
        with self._changed:
            self._entries.clear()
            self._changed.notify_all()

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Block until the condition holds, looked at after each change; say whether it came to hold."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)
