"""From LiteLLM's `model_list` to `ModelSpec`s, and from `ModelSpec`s back to what LiteLLM calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import litellm

from pointsman.caller import litellm_model
from pointsman.catalog.litellm_map import KINDS
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import ConfigError

Deployment = Mapping[str, Any]

_SHOWN_ID = 24
# Who logs in at an address, and how, is LiteLLM's to know.
_USER = re.compile(r"(?<=://)[^/?#@]*@")
# LiteLLM's flags. In its map an absent flag means unknown; what most servers can do is then taken for granted, so that
# nothing that worked without us is refused, and what few can do has to be declared.
_GRANTED = {"supports_function_calling": "tools", "supports_response_schema": "json.schema"}
_DECLARED = {
    "supports_vision": "vision",
    "supports_audio_input": "audio",
    "supports_audio_output": "generation.audio",
    "supports_video_input": "video",
    "supports_pdf_input": "pdf",
    "supports_parallel_function_calling": "tools.parallel",
    "supports_prompt_caching": "prompt_caching",
    "supports_reasoning": "reasoning",
    "supports_web_search": "web_search",
    "supports_computer_use": "computer_use",
}
_PRICES = {
    "input_cost_per_token": "cost_per_1m_input_tokens",
    "output_cost_per_token": "cost_per_1m_output_tokens",
    "cache_read_input_token_cost": "cached_cost_per_1m_input_tokens",
}


def model_id(deployment: Deployment) -> str:
    """The id LiteLLM knows a deployment by."""
    return str((deployment.get("model_info") or {}).get("id", ""))


def group_alias(model_name: str) -> str:
    """The alias that all deployments of a `model_name` share; no name of a model looks like it."""
    return f"litellm/{model_name}"


def spec_of(deployment: Deployment, name: str | None = None) -> ModelSpec:
    """Describe a deployment by its `model_info`, its `litellm_params` and LiteLLM's map of models, in that order.

    Args:
        deployment: an entry of `model_list`.
        name: the spec's name, where the model's own is taken.
    """
    provider, model = split_model(deployment)
    facts = _facts(deployment)
    limit = _count(facts.get("max_input_tokens"))
    output = _count(facts.get("max_output_tokens")) or _count(facts.get("max_tokens"))
    params = deployment["litellm_params"]
    base = params.get("api_base")
    return ModelSpec(
        name=name or model,
        provider=provider,
        serves=arm_of(deployment),
        aliases=(group_alias(deployment["model_name"]),),
        capabilities=tuple(_capabilities(facts, model)),
        max_input_tokens=limit,
        context_window=None if limit is None else max(limit, output or 0),
        max_output_tokens=output,
        litellm_model=params["model"],
        api_base=_USER.sub("", base) if isinstance(base, str) else None,
        account=_account(params.get("api_key")),
        rate_limit_rpm=_count(params.get("rpm")),
        rate_limit_tpm=_count(params.get("tpm")),
        weight=_weight(params.get("weight")),
        status="maintenance" if facts.get("blocked") is True else "active",
        source="litellm",
        **_prices(facts),
    )


def arm_of(deployment: Deployment) -> str:
    """What is learnt about: the model behind the deployment, so that several deployments of it teach one arm."""
    base = (deployment.get("model_info") or {}).get("base_model") or deployment["litellm_params"].get("base_model")
    if isinstance(base, str) and base:
        return base
    provider, model = split_model(deployment)
    return f"{provider}:{model}"


def split_model(deployment: Deployment) -> tuple[str, str]:
    """Provider and bare model of a deployment, as LiteLLM reads its `model`."""
    params = deployment["litellm_params"]
    text = params["model"]
    provider = params.get("custom_llm_provider")
    if not isinstance(provider, str):
        head, slash, rest = text.partition("/")
        if slash and head in litellm.provider_list:
            provider, text = head, rest
        else:
            known = litellm.model_cost.get(text) or {}
            provider = known.get("litellm_provider") or "custom"
    return re.sub(r"[^A-Za-z0-9_.-]", "_", provider)[:64], text[:200]


def specs_for(deployments: Sequence[Deployment], declared: Iterable[ModelSpec]) -> list[tuple[ModelSpec, Deployment]]:
    """One spec per deployment, with keys that tell them apart; what is declared wins over what LiteLLM says.

    Raises:
        ConfigError: E4006, if a deployment could be several of the declared models.
    """
    declared = list(declared)
    joined = [(match(deployment, declared), deployment) for deployment in deployments]
    taken: dict[str, int] = {}
    for spec, deployment in joined:
        key = spec.key if spec is not None else arm_key(deployment)
        taken[key] = taken.get(key, 0) + 1
    result = []
    for spec, deployment in joined:
        if spec is None:
            name = split_model(deployment)[1]
            alone = taken[arm_key(deployment)] == 1
            result.append((spec_of(deployment, None if alone else own_name(name, deployment)), deployment))
            continue
        aliases = (*spec.aliases, group_alias(deployment["model_name"]))
        changes: dict[str, Any] = {"aliases": aliases, "base": None}
        if taken[spec.key] > 1:
            own = own_name(spec.name, deployment)
            changes |= {"name": own, "aliases": (*aliases, spec.name), "serves": spec.arm}
        result.append((changed(with_facts(spec, deployment), changes), deployment))
    return result


def arm_key(deployment: Deployment) -> str:
    """The key a deployment's spec has when no other deployment claims it."""
    return ":".join(split_model(deployment))


def own_name(name: str, deployment: Deployment) -> str:
    """A name of its own for one of several deployments of a model."""
    return f"{name}@{model_id(deployment)[:_SHOWN_ID]}"


def with_facts(spec: ModelSpec, deployment: Deployment) -> ModelSpec:
    """Fill what a declared model leaves unset from what LiteLLM knows of the deployment."""
    known = spec_of(deployment)
    fields = {
        "context_window",
        "max_input_tokens",
        "max_output_tokens",
        "api_base",
        "account",
        "litellm_model",
        *_PRICES.values(),
    }
    if not spec.capabilities:
        fields.add("capabilities")
    missing = {
        field: value
        for field in fields
        if field not in spec.model_fields_set and (value := getattr(known, field)) is not None
    }
    window = missing.get("context_window", spec.context_window)
    if "max_input_tokens" in missing and spec.context_window is not None:
        del missing["max_input_tokens"]  # the declared window is the whole truth
    if window is not None and missing.get("max_output_tokens", 0) > window:
        del missing["max_output_tokens"]
    return changed(spec, missing)


def changed(spec: ModelSpec, changes: Mapping[str, Any]) -> ModelSpec:
    """A copy in which some fields are set."""
    return ModelSpec(**{**spec.model_dump(exclude_unset=True), **changes}) if changes else spec


def match(deployment: Deployment, declared: Sequence[ModelSpec]) -> ModelSpec | None:
    """The declared model that a deployment is: by `model_info.id`, else by `model_name`, else by its model.

    Raises:
        ConfigError: E4006, if one of these fits several.
    """
    ident, name, model = model_id(deployment), deployment["model_name"], deployment["litellm_params"]["model"]
    full = "/".join(split_model(deployment))
    tests = (
        ("model_info.id", ident, [spec for spec in declared if ident and ident in (spec.key, spec.name)]),
        ("model_name", name, [spec for spec in declared if name in (spec.key, spec.name, *spec.aliases)]),
        ("litellm_params.model", model, [spec for spec in declared if litellm_model(spec) in (model, full)]),
    )
    for field, value, found in tests:
        if len(found) > 1:
            raise ConfigError(
                f"the deployment {name!r} could be any of {', '.join(sorted(spec.key for spec in found))}: "
                f"its {field} {value!r} fits all of them",
                hint="set the deployment's `model_info.id` to the key of the one it is",
            )
        if found:
            return found[0]
    return None


def _facts(deployment: Deployment) -> dict[str, Any]:
    """What is said of a deployment, the nearest source last."""
    info, params = deployment.get("model_info") or {}, deployment["litellm_params"]
    text = params["model"]
    named = info.get("base_model") or params.get("base_model") or text
    entry: Mapping[str, Any] = {}
    for key in (named, named.partition("/")[2]):
        entry = litellm.model_cost.get(key) or {}
        if entry.get("litellm_provider"):
            break
    told = [*_PRICES, "max_input_tokens", "max_output_tokens", "max_tokens"]
    given = {name: params[name] for name in told if params.get(name) is not None and name != "max_tokens"}
    return {**entry, **given, **{name: value for name, value in info.items() if value is not None}}


def _capabilities(facts: Mapping[str, Any], model: str) -> Iterable[str]:
    mode = facts.get("mode") or ("embedding" if "embed" in model.lower() else None)
    kind = KINDS.get(mode) if isinstance(mode, str) else None
    if kind is not None:
        yield kind
    if kind is None or kind == "generation.text.chat":
        yield from (name for flag, name in _GRANTED.items() if facts.get(flag) is not False)
    yield from (name for flag, name in _DECLARED.items() if facts.get(flag) is True)


def _prices(facts: Mapping[str, Any]) -> dict[str, float]:
    prices = {}
    for theirs, ours in _PRICES.items():
        value = facts.get(theirs)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            prices[ours] = float(f"{value * 1e6:.12g}")
    return prices


def _account(key: Any) -> str | None:
    """A mark that tells one key from another and nothing else of it: two deployments may be two accounts."""
    return f"key-{blake2b(key.encode(), digest_size=4).hexdigest()}" if isinstance(key, str) and key else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _weight(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
