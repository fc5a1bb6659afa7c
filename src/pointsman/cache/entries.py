"""One cache entry as bytes: what it belongs to, until when it is good, and a checksum that only this cache can make.

The checksum is keyed with the cache's secret and covers the key, so an entry that was damaged, forged, or copied to
another key is never served.
"""

from __future__ import annotations

import importlib.util
import json
import struct
import zlib
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from pointsman.errors import StoreError

_HEADER = struct.Struct("<4sBdd8s8s8s")
_MAGIC = b"PMC1"
_CHECKSUM = 16
_OVERHEAD = _HEADER.size + _CHECKSUM
_PLAIN, _ZLIB, _ZSTD = 0, 1, 2
# What no answer of a model comes near; an entry that claims to unpack to more is not one of ours.
_MOST_UNPACKED = 256 * 1024 * 1024

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Tags(NamedTuple):
    """What an entry can be found by when it is to be invalidated: hashes, so that names cannot be read."""

    model: bytes = bytes(8)
    tenant: bytes = bytes(8)
    version: bytes = bytes(8)


class Entry(NamedTuple):
    """An entry that was read: its value, and when it ends (seconds since the epoch; infinity for never)."""

    value: Any
    expires: float


class CorruptEntryError(ValueError):
    """Bytes that are no entry of this cache, or not any more."""


def pack(
    secret: bytes, key: str, value: Any, tags: Tags, *, created: float, expires: float, above: int | None
) -> bytes:
    """Make an entry; compressed if it is longer than `above` bytes.

    Raises:
        StoreError: E4301, if the value is no JSON.
    """
    try:
        payload = _encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"the value is no JSON: {type(error).__name__}") from None
    method = _PLAIN
    if above is not None and len(payload) > above:
        method, smaller = _compressed(payload)
        if len(smaller) < len(payload):
            payload = smaller
        else:
            method = _PLAIN
    header = _HEADER.pack(_MAGIC, method, created, expires, *tags)
    return b"".join((header, _checksum(secret, key, header, payload), payload))


def unpack(secret: bytes, key: str, entry: bytes) -> Entry:
    """Read an entry.

    Raises:
        CorruptEntryError: it is not what this cache wrote under this key.
    """
    if len(entry) < _OVERHEAD:
        raise CorruptEntryError("the entry is too short")
    header, payload = entry[: _HEADER.size], entry[_OVERHEAD:]
    magic, method, _, expires, *_ = _HEADER.unpack(header)
    if magic != _MAGIC or entry[_HEADER.size : _OVERHEAD] != _checksum(secret, key, header, payload):
        raise CorruptEntryError("the entry does not match its checksum")
    try:
        return Entry(json.loads(payload if method == _PLAIN else _decompressed(method, payload)), expires)
    except (ValueError, zlib.error, RecursionError) as error:
        raise CorruptEntryError(f"the entry cannot be read: {type(error).__name__}") from None


def tags_of(entry: bytes) -> Tags:
    """What an entry belongs to, from its first bytes; nothing for what is no entry."""
    if len(entry) < _HEADER.size:
        return Tags()
    return Tags(*_HEADER.unpack_from(entry)[4:])


def expires_at(entry: bytes) -> float:
    """When an entry ends, from its first bytes; at once for what is no entry."""
    return float(_HEADER.unpack_from(entry)[3]) if len(entry) >= _HEADER.size else 0.0


def tags_match(tags: Tags, wanted: Tags) -> bool:
    """Whether an entry belongs to all that is wanted; what is empty is not asked."""
    return all(not any(want) or have == want for have, want in zip(tags, wanted, strict=True))


HEADER_BYTES = _HEADER.size


def _checksum(secret: bytes, key: str, header: bytes, payload: bytes) -> bytes:
    made = blake2b(key.encode(), digest_size=_CHECKSUM, key=secret, person=b"pointsman entry")
    made.update(header)
    made.update(payload)
    return made.digest()


def _compressed(payload: bytes) -> tuple[int, bytes]:
    if _has_zstandard():
        import zstandard  # noqa: PLC0415  optional

        return _ZSTD, zstandard.ZstdCompressor(level=3).compress(payload)
    return _ZLIB, zlib.compress(payload, 6)


def _decompressed(method: int, payload: bytes) -> bytes:
    if method == _ZLIB:
        reader = zlib.decompressobj()
        unpacked = reader.decompress(payload, _MOST_UNPACKED)
        if not reader.eof:
            raise ValueError("it ends early or is too long")
        return unpacked
    if method == _ZSTD and _has_zstandard():
        import zstandard  # noqa: PLC0415  optional

        try:
            if not 0 <= zstandard.frame_content_size(payload) <= _MOST_UNPACKED:
                raise ValueError("it is too long")
            return bytes(zstandard.ZstdDecompressor().decompress(payload))
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from None
    raise ValueError("it was compressed by what is not installed here")


@lru_cache
def _has_zstandard() -> bool:
    return importlib.util.find_spec("zstandard") is not None
