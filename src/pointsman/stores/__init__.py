"""Where state lives: memory, SQLite, Redis; one small protocol, one contract test."""

from __future__ import annotations

from pointsman.stores.base import Json, Store, Write
from pointsman.stores.urls import open_store

__all__ = ["Json", "Store", "Write", "open_store"]
