"""The model map inside the installed LiteLLM wheel, read as models without importing LiteLLM (which takes seconds)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from pointsman.catalog import capabilities as tree
from pointsman.catalog.families import family_of
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import CatalogError, InvalidModelError, MissingDependencyError

_FILE = "litellm/model_prices_and_context_window_backup.json"

# What a mode makes of a model. Editing an image is no way to make one from words, so it has a node of its own.
KINDS = {
    "chat": "generation.text.chat",
    "responses": "generation.text.chat",
    "completion": "generation.text.completion",
    "embedding": "embedding.text",
    "rerank": "rerank",
    "moderation": "moderation",
    "image_generation": "generation.image",
    "image_edit": "generation.image.edit",
    "video_generation": "generation.video",
    "audio_speech": "generation.audio",
    "audio_transcription": "transcription",
}
_ABILITIES = {f"supports_{flag}": node for flag, node in tree.LITELLM.items()}
_FEATURES = ("tool_choice", "system_messages", "assistant_prefill", "url_context")
_SAMPLING = ("temperature", "top_p", "top_k")

# LiteLLM's names of providers where ours differ, and the route that a key without one is called by.
_PROVIDERS = {
    "azure_text": "azure",
    "bedrock_converse": "bedrock",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "fireworks_ai-embedding-models": "fireworks",
    "nvidia_nim": "nvidia",
    "text-completion-openai": "openai",
}
_ROUTES = {"bedrock_converse": "bedrock"}

# On these a call costs electricity. Elsewhere the map's 0 for text means that nobody wrote the price down.
_FREE = frozenset({"ollama", "lemonade"})
# Limits of input and output that together are the window; everywhere else the map's input limit is the window.
_HALVES = frozenset({(272_000, 128_000), (922_000, 128_000)})

# Rows that are prices and no models: by size of image, by size of an unnamed model, of fine-tunes, of commitments.
_PRICE_ROWS = re.compile(
    r"(?:^|/)(?:\d+|max)-x-(?:\d+|max)/|^(?:together|fireworks)-ai-|^ft:|-commitment/|/\*/|/container$"
)
_THRESHOLD = re.compile(r"(?:in|out)put_cost_per_token_above_(\d+)k_tokens\Z")
_AWS_REGION = re.compile(r"bedrock/([a-z]{2}(?:-[a-z]+)+-\d)/")
_AZURE_ZONE = re.compile(r"azure/(us|eu|us-gov|apac)/")
_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class LiteLLMMap:
    """What a model map held: models, and under each reason the keys of entries that are not among them."""

    version: str
    models: tuple[ModelSpec, ...]
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_litellm_map(*, providers: Iterable[str] = (), capabilities: Iterable[str] = ()) -> LiteLLMMap:
    """Read the installed map; providers (any of them) and capabilities (all of them) narrow it.

    What the map does not say stays unset: an absent flag does not deny an ability. Families come from names. Rate
    limits are left out, since they belong to an account. Its `deprecation_date` is the day a provider shuts a model
    down, so it is the sunset date as well.

    Raises:
        MissingDependencyError: E4401, without LiteLLM.
        CatalogError: E4005, when the installed one holds no readable map.
    """
    version, entries = _installed()
    return read_entries(entries, version, providers=providers, capabilities=capabilities)


def read_entries(
    entries: Mapping[str, Any], version: str, *, providers: Iterable[str] = (), capabilities: Iterable[str] = ()
) -> LiteLLMMap:
    """Make models of a map's entries; see `read_litellm_map`."""
    wanted, needed = frozenset(providers), tuple(capabilities)
    models: dict[str, ModelSpec] = {}
    skipped: dict[str, list[str]] = {}
    for key, entry in entries.items():
        provider = entry.get("litellm_provider") if isinstance(entry, Mapping) else None
        if wanted and provider not in wanted and _provider(str(provider)) not in wanted:
            continue
        reason = _no_model(key, entry)
        if reason is None:
            try:
                spec = ModelSpec(**_fields(key, entry, version))
            except InvalidModelError as error:
                reason = f"not valid: {error.field}"
            else:
                if spec.key in models:
                    reason = "the same model under another key"
                elif all(spec.has_capability(each) for each in needed):
                    models[spec.key] = spec
        if reason is not None:
            skipped.setdefault(reason, []).append(key)
    return LiteLLMMap(version, tuple(models.values()), {reason: tuple(keys) for reason, keys in skipped.items()})


def _installed() -> tuple[str, dict[str, Any]]:
    try:
        wheel = distribution("litellm")
    except PackageNotFoundError:
        raise MissingDependencyError("litellm") from None
    path = Path(str(wheel.locate_file(_FILE)))
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CatalogError(
            f"litellm {wheel.version} holds no readable model map: {type(error).__name__}",
            path=str(path),
            hint="reinstall litellm",
        ) from None
    if not isinstance(entries, dict):
        raise CatalogError("the model map is no mapping", path=str(path), hint="reinstall litellm")
    return wheel.version, entries


def _no_model(key: str, entry: Any) -> str | None:
    """Why an entry cannot become a model; None if it can."""
    if not isinstance(entry, Mapping) or key == "sample_spec" or not isinstance(entry.get("litellm_provider"), str):
        return "documentation or rules"
    if _PRICE_ROWS.search(key):
        return "a price, not a model"
    mode = entry.get("mode")
    if mode is None:
        return "no mode"
    if mode not in KINDS:
        return f"mode {mode}"
    if mode == "chat" and entry.get("max_input_tokens") == 0:
        return "a chat model that reads nothing"
    return None


def _provider(theirs: str) -> str:
    return "vertex_ai" if theirs.startswith("vertex_ai") else _PROVIDERS.get(theirs, theirs)


def _fields(key: str, entry: Mapping[str, Any], version: str) -> dict[str, Any]:
    provider = _provider(entry["litellm_provider"])
    name, litellm_model = _names(key, entry, provider)
    fields: dict[str, Any] = {
        "name": name,
        "provider": provider,
        "family": family_of(provider, name),
        "capabilities": _capabilities(entry),
        "features": {each: entry[f"supports_{each}"] for each in _FEATURES if f"supports_{each}" in entry},
        "input_modalities": entry.get("supported_modalities"),
        "output_modalities": entry.get("supported_output_modalities"),
        "litellm_model": litellm_model,
        "source": f"litellm {version} model map, entry {key}",
        **_limits(entry),
        **_prices(entry, provider, name),
        **_places(key, entry),
    }
    if _batches(entry):
        fields["batch"] = True
    if entry.get("supports_sampling_params") is False:
        fields["unsupported_parameters"] = _SAMPLING
    if "deprecation_date" in entry:
        fields["deprecation_date"] = fields["sunset_date"] = entry["deprecation_date"]
    return {field_name: value for field_name, value in fields.items() if value not in (None, {})}


def _names(key: str, entry: Mapping[str, Any], provider: str) -> tuple[str, str]:
    """The name, without a prefix that the provider says already, and what LiteLLM calls the model."""
    theirs = entry["litellm_provider"]
    route = "vertex_ai" if provider == "vertex_ai" else _ROUTES.get(theirs, theirs)
    first, _, rest = key.partition("/")
    said_already = {theirs, route, provider, theirs.replace("_", "-"), theirs.removesuffix("-embedding-models")}
    has_route = bool(rest) and first in said_already
    name = rest if has_route else key
    if provider == "ollama" and entry.get("mode") == "chat":
        return name, f"ollama_chat/{name}"
    dashed = has_route and first == theirs.replace("_", "-")  # `amazon-nova/` is called as `amazon_nova/`
    return name, f"{theirs}/{rest}" if dashed else key if has_route else f"{route}/{key}"


def _capabilities(entry: Mapping[str, Any]) -> list[str]:
    found = [KINDS[entry["mode"]]]
    found += [node for flag, node in _ABILITIES.items() if entry.get(flag) is True and node not in found]
    if _batches(entry):
        found.append("batch")
    return found


def _batches(entry: Mapping[str, Any]) -> bool:
    return "input_cost_per_token_batches" in entry or "/v1/batch" in entry.get("supported_endpoints", ())


def _limits(entry: Mapping[str, Any]) -> dict[str, int | None]:
    reads, writes = entry.get("max_input_tokens") or None, entry.get("max_output_tokens") or None
    if entry["mode"] not in ("chat", "responses", "completion"):
        return {"context_window": reads}
    if (reads, writes) in _HALVES and reads and writes:
        return {"context_window": reads + writes, "max_input_tokens": reads, "max_output_tokens": writes}
    if reads and writes and writes > reads:
        return {"max_input_tokens": reads, "max_output_tokens": writes}  # so the window is larger, but who knows
    return {"context_window": reads, "max_output_tokens": writes}


def _prices(entry: Mapping[str, Any], provider: str, name: str) -> dict[str, float | int | None]:
    zero_is_a_price = KINDS[entry["mode"]].partition(".")[0] != "generation" or (
        provider in _FREE and not name.endswith("-cloud")
    )

    def price(field_name: str, source: Mapping[str, Any] = entry) -> float | None:
        value = source.get(field_name)
        if not isinstance(value, int | float) or not (value or zero_is_a_price):
            return None
        return float(f"{value * _MILLION:.12g}")

    usual, long, threshold, above = entry, entry, None, ""
    tiers = entry.get("tiered_pricing")
    steps = min(_thresholds(entry), default=None)
    if isinstance(tiers, list) and len(tiers) == 2:  # more than two cannot be said: then the price is unknown
        usual, long, threshold = tiers[0], tiers[1], int(tiers[1]["range"][0])
    elif steps is not None:
        threshold, above = steps * 1000, f"_above_{steps}k_tokens"
    prices: dict[str, float | int | None] = {
        "cost_per_1m_input_tokens": price("input_cost_per_token", usual),
        "cost_per_1m_output_tokens": price("output_cost_per_token", usual),
        "cached_cost_per_1m_input_tokens": price("cache_read_input_token_cost"),
        "batch_cost_per_1m_input_tokens": price("input_cost_per_token_batches"),
        "batch_cost_per_1m_output_tokens": price("output_cost_per_token_batches"),
    }
    if threshold is not None:
        dear_in, dear_out = (price(f"{side}put_cost_per_token{above}", long) for side in ("in", "out"))
        if dear_in is not None or dear_out is not None:
            prices["long_context_threshold"] = threshold
            prices["long_context_cost_per_1m_input_tokens"] = dear_in
            prices["long_context_cost_per_1m_output_tokens"] = dear_out
    return prices


def _thresholds(entry: Mapping[str, Any]) -> Iterator[int]:
    return (int(match[1]) for field_name in entry if (match := _THRESHOLD.match(field_name)))


def _places(key: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    if match := _AWS_REGION.match(key):
        return {"region": match[1]}
    if match := _AZURE_ZONE.match(key):
        return {"regions": [match[1]]}
    regions = [each for each in entry.get("supported_regions", ()) if each != "global"]
    return {"regions": regions} if regions else {}
