"""What a process asks of the others like it: who probes, and that they hear what changed. Alone, nobody is asked."""

from __future__ import annotations

from typing import Protocol


class Replicas(Protocol):
    """The other processes that share health; a subject is `breaker|MODEL`, `throttle|MODEL` or `credential|...`.

    Nothing here raises: whom nobody can reach goes on alone.
    """

    def take_probe(self, subject: str, seconds: float) -> bool:
        """Ask for the one probe of all processes, for so long at most; False when another has it."""
        ...

    def give_back(self, subject: str) -> None:
        """A probe ended without a finding."""
        ...

    def changed(self, subject: str) -> None:
        """Something opened or closed here; the others should hear of it, and a probe of it is over."""
        ...


class Alone:
    """No other process."""

    def take_probe(self, subject: str, seconds: float) -> bool:
        """Nobody else could have it."""
        del subject, seconds
        return True

    def give_back(self, subject: str) -> None:
        """Nobody waits for it."""

    def changed(self, subject: str) -> None:
        """Nobody to tell."""
