"""Model servers for tests: OpenAI's and Anthropic's APIs as real HTTP on loopback, with every fault a provider has shown.

    >>> from pointsman.testing import Fault, ServedModel, serve
    >>> with serve([ServedModel("cheap", quality=0.6)], seed=7) as fleet:
    ...     fleet["cheap"].fail(Fault.server_error(503), times=1)
    ...     fleet["cheap"].calls
    0

Nothing here knows the rest of pointsman: the servers serve whatever client speaks `/v1/chat/completions`, `/v1/completions`,
`/v1/embeddings`, `/v1/responses` or Anthropic's `/v1/messages`, for which clients take the URL without `/v1`.
"""

from __future__ import annotations

from .clock import FakeClock
from .faults import FAULTS, Fault
from .fleet import ModelFleet, serve
from .models import RequestRecord, ServedModel
from .process import ModelProcess
from .prompts import GradablePrompt, gradable_prompts, grade
from .server import ModelServer
from .simulated import SimulatedModel
from .virtual import VirtualClock, VirtualLoop, run_virtually

__all__ = [
    "FAULTS",
    "FakeClock",
    "Fault",
    "GradablePrompt",
    "ModelFleet",
    "ModelProcess",
    "ModelServer",
    "RequestRecord",
    "ServedModel",
    "SimulatedModel",
    "VirtualClock",
    "VirtualLoop",
    "gradable_prompts",
    "grade",
    "run_virtually",
    "serve",
]
