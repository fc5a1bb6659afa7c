"""LiteLLM without its chatter: no banners on standard output, no log lines for faults that are meant to happen."""

from __future__ import annotations

import logging
import os

_TALKATIVE = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "openai", "asyncio")


def hush_litellm() -> None:
    """Import LiteLLM and make it quiet; it takes some seconds the first time."""
    # Without this LiteLLM fetches its price map from the network when it is imported; the user may say otherwise.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm  # noqa: PLC0415  several seconds

    litellm.suppress_debug_info = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
