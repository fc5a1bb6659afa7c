"""Which of the proxy's models a key may not call: nothing asks again after the handler has replaced the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litellm.proxy._types import LitellmUserRoles, ProxyException
from litellm.proxy.auth.auth_checks import can_key_call_resolved_model


async def barred_models(host: Any, key: Any, name_of: Mapping[str, str]) -> frozenset[str]:
    """Keys of the models whose names this key, its team or its user are not allowed to call."""
    if key.user_role == LitellmUserRoles.PROXY_ADMIN and not key.models:
        return frozenset()
    barred = set()
    for model, name in name_of.items():
        try:
            await can_key_call_resolved_model(
                model=name, llm_model_list=host.model_list, valid_token=key, llm_router=host
            )
        except ProxyException:
            barred.add(model)
    return frozenset(barred)
