"""Judging a policy before it decides anything: on your own log, or on a trace of which every model's answer is known.

`evaluate` and `compare` estimate from a ledger what another policy would have got, with intervals, and refuse where the
log cannot say. `run` lets policies choose on a trace and compares them with the best single model and the oracle.
"""

from __future__ import annotations

from pointsman.learning.versions import learnt_at, teach
from pointsman.replay.estimators import Estimate
from pointsman.replay.evaluation import compare, evaluate
from pointsman.replay.fronts import aiq, front
from pointsman.replay.logs import read_log
from pointsman.replay.results import Comparison, Evaluation
from pointsman.replay.running import Run, Runs, run
from pointsman.replay.traces import Trace, read_trace

__all__ = [
    "Comparison",
    "Estimate",
    "Evaluation",
    "Run",
    "Runs",
    "Trace",
    "aiq",
    "compare",
    "evaluate",
    "front",
    "learnt_at",
    "read_log",
    "read_trace",
    "run",
    "teach",
]
