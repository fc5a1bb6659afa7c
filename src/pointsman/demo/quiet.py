"""LiteLLM without its chatter: no banners on standard output, no log lines for faults that are meant to happen."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointsman.testing import ModelServer

_TALKATIVE = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "openai", "asyncio")


def hush_litellm() -> None:
    """Import LiteLLM and make it quiet; it takes some seconds the first time."""
    # Without this LiteLLM fetches its price map from the network when it is imported; the user may say otherwise.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm  # noqa: PLC0415  several seconds

    litellm.suppress_debug_info = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def warm_up(server: ModelServer) -> None:
    """Call a server once past pointsman: LiteLLM loads much with its first call, which is no model's latency."""
    from litellm import acompletion  # noqa: PLC0415  seconds

    await acompletion(
        model=f"openai/{server.model.name}",
        api_base=server.url,
        api_key="none",
        messages=[{"role": "user", "content": "Good morning."}],
    )
