"""The LiteLLM doors: a routing strategy for `litellm.Router`, and a handler for the LiteLLM Proxy.

SDK::

    strategy = install(litellm.Router(model_list=[...]), config="pointsman.yaml")

Proxy, in its config.yaml::

    litellm_settings:
      callbacks: ["pointsman.litellm.proxy_handler"]
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pointsman.litellm.cache import litellm_cache
    from pointsman.litellm.custom import provide_custom
    from pointsman.litellm.proxy import ProxyHandler
    from pointsman.litellm.strategy import PointsmanStrategy, install

    proxy_handler: ProxyHandler

__all__ = ["PointsmanStrategy", "ProxyHandler", "install", "litellm_cache", "provide_custom", "proxy_handler"]

_building = threading.Lock()


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used; LiteLLM costs seconds to import, and the handler is built once."""
    if name in ("PointsmanStrategy", "install"):
        from pointsman.litellm import strategy  # noqa: PLC0415  imports LiteLLM

        return getattr(strategy, name)
    if name == "litellm_cache":
        from pointsman.litellm.cache import litellm_cache  # noqa: PLC0415  imports LiteLLM

        return litellm_cache
    if name == "provide_custom":
        from pointsman.litellm.custom import provide_custom  # noqa: PLC0415  imports LiteLLM

        return provide_custom
    if name == "ProxyHandler":
        from pointsman.litellm.proxy import ProxyHandler  # noqa: PLC0415  imports LiteLLM

        return ProxyHandler
    if name == "proxy_handler":
        from pointsman.litellm.proxy import ProxyHandler  # noqa: PLC0415  imports LiteLLM

        with _building:
            if "proxy_handler" not in globals():
                globals()["proxy_handler"] = ProxyHandler()
        return globals()["proxy_handler"]
    raise AttributeError(f"module 'pointsman.litellm' has no attribute {name!r}")
