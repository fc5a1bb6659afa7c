"""Watches one arm for change: whether the learner has been wrong about it in the same direction for too long."""

from __future__ import annotations

import math
from collections import deque

_WINDOW = 40
_DEVIATIONS = 4.0
# The variance of a residual before any was seen, worth so many of them.
_VARIANCE, _ASSUMED = 0.2, 10.0


class Watch:
    """The residuals (score less expectation) of one arm: the last 40 one by one, all since the last alarm as a sum.

    The alarm compares the window's mean with what chance would allow (as in M-UCB, Cao et al. 2019): with the variance
    within the window, but never less than the arm usually has. Of an arm that is nearly always right, a window without a
    single error is no news, though its variance is nought.
    """

    __slots__ = ("_count", "_recent", "_squares")

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._count = 0.0
        self._squares = 0.0

    def see(self, residual: float) -> float:
        """Take in a residual; the mean of the window if the arm has changed, else 0.

        >>> watch = Watch()
        >>> sum(abs(watch.see(0.4 if turn % 2 else -0.4)) for turn in range(200))
        0.0
        >>> max(watch.see(-0.8) for _ in range(40)) == 0.0, len(watch._recent) < 40
        (True, True)
        """
        recent = self._recent
        recent.append(residual)
        usual = (self._squares + _ASSUMED * _VARIANCE) / (self._count + _ASSUMED)
        self._count += 1.0
        self._squares += residual * residual
        if len(recent) < _WINDOW:
            return 0.0
        mean = sum(recent) / _WINDOW
        within = sum((each - mean) ** 2 for each in recent) / _WINDOW
        if abs(mean) <= _DEVIATIONS * math.sqrt(max(within, usual) / _WINDOW):
            return 0.0
        recent.clear()
        self._count = self._squares = 0.0
        return mean
