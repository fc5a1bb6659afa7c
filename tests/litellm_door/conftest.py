"""What the tests of the LiteLLM doors share: one fleet, and one proxy process, per session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import litellm
import pytest
from litellm_door.proxies import Proxy

from pointsman.testing import ModelFleet, ServedModel, serve

SMALL, LARGE = 16_000, 200_000

CONFIG = """
policy: cheapest
pools:
  auto: {}
  roomy: {models: [large]}
calls: {deadline: 30, timeout: 2}
"""


_CALLBACKS = (
    *("callbacks", "success_callback", "failure_callback"),
    *("_async_success_callback", "_async_failure_callback"),
)


@pytest.fixture(autouse=True)
def _callbacks() -> Iterator[None]:
    """Each `litellm.Router` leaves callbacks of its own behind, of which LiteLLM takes a hundred per process."""
    before = {name: list(getattr(litellm, name)) for name in _CALLBACKS}
    yield
    for name, callbacks in before.items():
        getattr(litellm, name)[:] = callbacks


@pytest.fixture(scope="session")
def _session_fleet() -> Iterator[ModelFleet]:
    models = [
        ServedModel("cheap", input_price_per_1m=0.1, output_price_per_1m=0.2, context_window=SMALL),
        ServedModel("middle", input_price_per_1m=1.0, output_price_per_1m=2.0, context_window=SMALL),
        ServedModel("large", input_price_per_1m=5.0, output_price_per_1m=9.0, context_window=LARGE),
    ]
    with serve(models, seed=7, life_limit=1800) as fleet:
        yield fleet


@pytest.fixture
def fleet(_session_fleet: ModelFleet) -> Iterator[ModelFleet]:
    _session_fleet.heal()
    for server in _session_fleet.values():
        server.clear()
    yield _session_fleet
    _session_fleet.heal()


def proxy_models(fleet: ModelFleet) -> list[dict[str, Any]]:
    """The fleet as models of a proxy, twice as two deployments of one embedding model too."""
    entries = fleet.litellm_model_list()
    for entry in entries:
        # A provider whose Responses and Messages API LiteLLM translates to chat completions.
        entry["litellm_params"]["model"] = entry["litellm_params"]["model"].replace("openai/", "lm_studio/")
    for name in ("cheap", "middle"):
        entries.append(  # through OpenAI's client LiteLLM cannot make embeddings without retries of its own
            {
                "model_name": f"embed-{name}",
                "litellm_params": {"model": f"hosted_vllm/{name}", "api_base": fleet[name].url, "api_key": "none"},
                "model_info": {"id": f"embed-{name}", "mode": "embedding", "base_model": "house-embedding"},
            }
        )
    return entries


@pytest.fixture(scope="session")
def _session_proxy(_session_fleet: ModelFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder: Path = tmp_path_factory.mktemp("proxy")
    (folder / "pointsman.yaml").write_text(CONFIG)
    with Proxy(folder, proxy_models(_session_fleet)) as proxy:
        yield proxy


@pytest.fixture
def proxy(_session_proxy: Proxy, fleet: ModelFleet) -> Proxy:
    return _session_proxy
