"""A store in one file of JSON lines that only grows: a ledger that any tool can read, safe against a sudden end."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pointsman.errors import StoreError
from pointsman.stores.base import Json, Write
from pointsman.stores.memory import dump

if sys.platform != "win32":
    import fcntl

_HEADER = '{"pointsman":"store","format":1}\n'
_REWRITE_BEYOND = 10_000
_PAGE = 500


class _Place(NamedTuple):
    """Where a value's line stands."""

    offset: int
    length: int


class JSONLStore:
    """Values by (space, key), each in a line `{"space": ..., "key": ..., "value": ...}`; removals are lines too.

    Lines that were written together say how many of them are `left`, so that a batch is read whole or not at all. One
    process writes; others may open the file to read what it holds at that moment. Only places are kept in memory.
    When more than half of the file is no longer true (and 10,000 values), it is written anew beside it and swapped in.

    Args:
        path: the file; its folder must exist. It is made with the first write.

    Attributes:
        torn: lines that could not be read, such as a last one that was being written when its process ended.
    """

    shared = False
    remote = False

    def __init__(self, path: str | Path) -> None:
        if not hasattr(os, "pread"):
            raise StoreError("this system cannot read files at a position", hint="use sqlite:///FILE")
        self.path = str(path)
        self.torn = 0
        self._lock = threading.RLock()
        self._spaces: dict[str, dict[str, _Place]] = {}
        self._stale = 0
        self._end = 0
        self._reader: int | None = None
        self._writer: int | None = None
        self._owner = 0
        self._load()

    # -- reading

    def get(self, space: str, key: str) -> Json | None:
        """The value, or None."""
        with self._lock:
            place = self._spaces.get(space, {}).get(key)
            return None if place is None else self._read(place)

    def items(self, space: str) -> Iterator[tuple[str, Json]]:
        """All values of a space, oldest key first, read in pages; those that go meanwhile are left out."""
        with self._lock:
            keys = list(self._spaces.get(space, {}))
        for start in range(0, len(keys), _PAGE):
            with self._lock:
                places = self._spaces.get(space, {})
                page = [(key, self._read(places[key])) for key in keys[start : start + _PAGE] if key in places]
            yield from page

    def count(self, space: str) -> int:
        """How many values a space holds."""
        return len(self._spaces.get(space, {}))

    # -- writing

    def put(self, space: str, key: str, value: Json) -> None:
        """Write a value; the system has it when this returns."""
        self.put_all([Write(space, key, value)])

    def put_all(self, writes: Sequence[Write]) -> None:
        """Write all of them or none."""
        lines = [_line(*write, left=len(writes) - at) for at, write in enumerate(writes, start=1)]
        if writes:
            with self._lock:
                offset = self._append(b"".join(lines))
                for write, line in zip(writes, lines, strict=True):
                    self._place(write.space, write.key, _Place(offset, len(line)))
                    offset += len(line)
                self._rewrite_if_stale()

    def add(self, space: str, key: str, value: Json) -> bool:
        """Write the value unless the key exists; False if it did."""
        with self._lock:
            if key in self._spaces.get(space, {}):
                return False
            self.put(space, key, value)
            return True

    def delete(self, space: str, key: str) -> bool:
        """Remove a value; False if there was none."""
        with self._lock:
            return self._remove(space, [key] if key in self._spaces.get(space, {}) else []) == 1

    def trim(self, space: str, keep: int) -> int:
        """Remove the oldest values beyond `keep`; how many went."""
        with self._lock:
            keys = list(self._spaces.get(space, {}))
            return self._remove(space, keys[: max(len(keys) - keep, 0)])

    def clear(self, space: str) -> None:
        """Remove every value of a space."""
        with self._lock:
            self._remove(space, list(self._spaces.get(space, {})))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            for file in (self._reader, self._writer):
                if file is not None:
                    os.close(file)
            self._reader = self._writer = None

    def _remove(self, space: str, keys: Sequence[str]) -> int:
        if keys:
            self._append(f'{{"space":{dump(space)},"drop":{dump(list(keys))}}}\n'.encode())
            for key in keys:
                del self._spaces[space][key]
            self._stale += len(keys)
            self._rewrite_if_stale()
        return len(keys)

    def _place(self, space: str, key: str, place: _Place) -> None:
        values = self._spaces.setdefault(space, {})
        self._stale += key in values
        values[key] = place

    # -- the file

    def _load(self) -> None:
        """Find every value's place; what cannot be read is counted, and a torn end is cut off by the first write."""
        self._spaces, self._stale, self._end, self.torn = {}, 0, 0, 0
        with self._guarded():
            if not Path(self.path).exists():
                return
            with Path(self.path).open("rb") as file:
                header = file.readline(len(_HEADER))
                if not _HEADER.encode().startswith(header):
                    raise StoreError(
                        f"{self.path}: this is no store", hint="name a file that pointsman made, or a new one"
                    )
                if header.endswith(b"\n"):
                    self._end = len(header)
                    self._load_lines(file)
                else:
                    self.torn += bool(header)

    def _load_lines(self, file: Iterable[bytes]) -> None:
        batch: list[tuple[str, str, _Place]] = []
        offset = self._end
        for line in file:
            row = _parse(line)
            offset += len(line)
            if row is None:
                self.torn += 1
                batch.clear()
                if not line.endswith(b"\n"):
                    return  # what stands before `_end` stays
                self._end = offset
                continue
            if "drop" in row:
                values = self._spaces.get(row["space"], {})
                self._stale += sum(values.pop(key, None) is not None for key in row["drop"])
            else:
                batch.append((row["space"], row["key"], _Place(offset - len(line), len(line))))
            if not row.get("left"):
                for entry in batch:
                    self._place(*entry)
                batch.clear()
                self._end = offset
        self.torn += bool(batch)

    def _read(self, place: _Place) -> Json:
        with self._guarded():
            if self._reader is None or self._owner != os.getpid():
                self._reader = self._open()
            # Positioned reads leave the file's own position alone.
            row = _parse(os.pread(self._reader, place.length, place.offset))
        if row is None or "value" not in row:
            raise StoreError(f"{self.path}: a line is not what it was", hint="something else changed the file")
        return row["value"]

    def _open(self) -> int:
        if self._owner != os.getpid():  # a fork's copies; the lock stays its parent's
            self.close()
        if self._reader is not None:
            os.close(self._reader)
        self._owner = os.getpid()
        return os.open(self.path, os.O_RDONLY)

    def _append(self, lines: bytes) -> int:
        with self._guarded():
            if self._writer is None or self._owner != os.getpid():
                self._writer = self._begin_writing()
            offset = self._end
            try:
                self._end += _write_whole(self._writer, lines, offset)
            except OSError:
                os.ftruncate(self._writer, offset)
                raise
            return offset

    def _begin_writing(self) -> int:
        """Become the only writer; what was torn at the end is cut off."""
        writer = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(writer, self.path)
            if os.fstat(writer).st_size != self._end:
                self._load()  # another process has written since, or was interrupted
            if self._end == 0:
                self._end = _write_whole(writer, _HEADER.encode(), 0)
            os.ftruncate(writer, self._end)
            self._reader = self._open()
        except BaseException:
            os.close(writer)
            raise
        return writer

    def _rewrite_if_stale(self) -> None:
        live = sum(map(len, self._spaces.values()))
        if self._stale > max(live, _REWRITE_BEYOND):
            self._rewrite()

    def _rewrite(self) -> None:
        """Write what is true into a file beside this one and put it in its place: a sudden end leaves the one or the other."""
        fresh = f"{self.path}.new"
        with self._guarded():
            spaces: dict[str, dict[str, _Place]] = {}
            writer = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                _lock(writer, fresh)
                end = _write_whole(writer, _HEADER.encode(), 0)
                for space, values in self._spaces.items():
                    for key, place in values.items():
                        line = _line(space, key, self._read(place), left=0)
                        spaces.setdefault(space, {})[key] = _Place(end, len(line))
                        end += _write_whole(writer, line, end)
                os.fsync(writer)
                Path(fresh).replace(self.path)
            except BaseException:
                os.close(writer)
                raise
            if self._writer is not None:
                os.close(self._writer)
            self._writer, self._spaces, self._end, self._stale = writer, spaces, end, 0
            self._reader = self._open()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise StoreError(
                f"{self.path}: {reason}", hint="is its folder there, writable, and its disk not full?"
            ) from error


def _line(space: str, key: str, value: Json, *, left: int) -> bytes:
    more = f',"left":{left}' if left else ""
    return f'{{"space":{dump(space)},"key":{dump(key)},"value":{dump(value)}{more}}}\n'.encode()


def _parse(line: bytes) -> dict[str, Any] | None:
    """A line as this store writes it, or None."""
    try:
        row = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    if not isinstance(row, dict) or not isinstance(row.get("space"), str):
        return None
    is_put = isinstance(row.get("key"), str) and "value" in row
    is_drop = isinstance(row.get("drop"), list) and all(isinstance(key, str) for key in row["drop"])
    return row if is_put or is_drop else None


def _write_whole(file: int, text: bytes, offset: int) -> int:
    """Write all of it at an offset; how much that is."""
    done = 0
    while done < len(text):
        done += os.pwrite(file, text[done:], offset + done)
    return done


def _lock(file: int, path: str) -> None:
    """Be the only writer, until the file is closed or this process ends.

    Raises:
        StoreError: E4301, if another process is.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{path}: another process writes this file", hint="several processes share sqlite:///FILE or redis://"
            ) from None
