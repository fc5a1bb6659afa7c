"""What all tests share: no network but loopback, and LiteLLM's bundled price map instead of a download."""

from __future__ import annotations

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
