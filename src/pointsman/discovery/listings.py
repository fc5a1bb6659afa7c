"""What a server's list says of each model: `/v1/models` with the extras some servers send, and Ollama's `/api/tags`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pointsman.catalog.families import family_of
from pointsman.discovery.addresses import ListingError
from pointsman.wishes import size_in_billions

MOST_MODELS = 2_000
_LONGEST_ID = 256
_MOST_TOKENS = 1_000_000_000
_DEAREST = 1e6  # USD per million tokens; beyond it a number is no price

# Where servers write down a limit; the first that is there counts (vLLM, OpenRouter, Groq, Mistral, llama.cpp).
_WINDOW = ("max_model_len", "context_length", "context_window", "max_context_length", "meta.n_ctx_train")
_OUTPUT = ("max_completion_tokens", "max_output_tokens", "top_provider.max_completion_tokens")
_PRICES = {
    "pricing.prompt": "cost_per_1m_input_tokens",
    "pricing.completion": "cost_per_1m_output_tokens",
    "pricing.input_cache_read": "cached_cost_per_1m_input_tokens",
}
_KINDS = {
    "chat": "generation.text.chat",
    "language": "generation.text.completion",
    "embedding": "embedding.text",
    "image": "generation.image",
    "moderation": "moderation",
    "rerank": "rerank",
    "completion_chat": "generation.text.chat",
    "completion": "generation.text.chat",
    "function_calling": "tools",
    "tools": "tools",
    "response_format": "json",
    "structured_outputs": "json.schema",
    "vision": "vision",
    "thinking": "reasoning",
    "reasoning": "reasoning",
}
_KIND_IN_NAME = (
    (re.compile(r"embed|(?:^|/)(?:bge|e5|gte)-"), "embedding.text"),
    (re.compile(r"rerank"), "rerank"),
    (re.compile(r"whisper"), "transcription"),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One model on a server's list: `stated` is what the server says, `assumed` what follows from where it is."""

    id: str
    stated: Mapping[str, Any] = field(default_factory=dict)
    assumed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """All models of one list, and how many of its entries name no usable one."""

    models: tuple[Listed, ...]
    unusable: int = 0


def read_openai(tree: Any) -> Listing:
    """Read what `/v1/models` answers.

    Raises:
        ListingError: it is no list of models, or a longer one than can be believed.
    """
    entries = tree if isinstance(tree, list) else tree.get("data") if isinstance(tree, Mapping) else None
    return _read(entries, ("id",), _openai)


def read_ollama(tree: Any) -> Listing:
    """Read what Ollama's `/api/tags` answers; see `read_openai`."""
    return _read(tree.get("models") if isinstance(tree, Mapping) else None, ("model", "name"), _ollama)


def _read(entries: Any, names: Iterable[str], read: Callable[[str, Mapping[str, Any]], Listed]) -> Listing:
    if not isinstance(entries, list):
        raise ListingError("the answer holds no list of models")
    if len(entries) > MOST_MODELS:
        raise ListingError(f"it lists {len(entries):,} models, more than {MOST_MODELS:,} are not believed")
    found: dict[str, Listed] = {}
    unusable = 0
    for entry in entries:
        name = next((entry[each] for each in names if each in entry), None) if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > _LONGEST_ID:
            unusable += 1
        else:
            found.setdefault(name, read(name, entry))
    return Listing(tuple(found.values()), unusable)


def _openai(name: str, entry: Mapping[str, Any]) -> Listed:
    window = _tokens(entry, _WINDOW)
    output = _tokens(entry, _OUTPUT)
    stated: dict[str, Any] = {
        "context_window": window,
        "max_output_tokens": None if window and output and output > window else output,
        **{field_name: _price(_at(entry, path)) for path, field_name in _PRICES.items()},
    }
    kinds = [_KINDS[each] for each in _said(entry) if each in _KINDS]
    assumed = {
        "capabilities": list(dict.fromkeys(kinds)) or _kind_in(name),
        "input_modalities": _words(_at(entry, "architecture.input_modalities")),
        "output_modalities": _words(_at(entry, "architecture.output_modalities")),
    }
    return Listed(name, _known(stated), _known(assumed))


def _said(entry: Mapping[str, Any]) -> list[str]:
    """Words for what it can do: a type, a mapping of flags, a list of capabilities or of parameters it takes."""
    words = [entry["type"]] if isinstance(entry.get("type"), str) else []
    flags = entry.get("capabilities")
    if isinstance(flags, Mapping):
        words += [str(name) for name, on in flags.items() if on is True]
    return words + _words(flags) + _words(entry.get("supported_parameters"))


def _ollama(name: str, entry: Mapping[str, Any]) -> Listed:
    remote = bool(entry.get("remote_host")) or name.endswith(("-cloud", ":cloud"))
    families = {each.lower() for each in [*_words(_at(entry, "details.families")), str(_at(entry, "details.family"))]}
    kinds = [_KINDS[each] for each in _words(entry.get("capabilities")) if each in _KINDS]
    if not kinds:
        reads_only = any("bert" in each for each in families) or _kind_in(name)
        kinds = ["embedding.text"] if reads_only else ["generation.text.chat"]
        kinds += ["vision"] if families & {"clip", "mllama"} else []
    quantisation = _at(entry, "details.quantization_level")
    size = _at(entry, "details.parameter_size")
    stated: dict[str, Any] = {}
    if isinstance(size, str) and len(size) <= 20:
        with suppress(ValueError):
            stated["size_billions"] = size_in_billions(size) or None
    assumed: dict[str, Any] = {
        "capabilities": kinds,
        "family": family_of("ollama", name),
        "tags": [quantisation.lower()] if isinstance(quantisation, str) and 0 < len(quantisation) <= 20 else None,
        "aliases": [name.removesuffix(":latest")] if name.endswith(":latest") else None,
    }
    if not remote:  # a call to one's own machine costs nothing
        assumed |= {"cost_per_1m_input_tokens": 0.0, "cost_per_1m_output_tokens": 0.0}
    return Listed(name, _known(stated), _known(assumed))


def _kind_in(name: str) -> list[str] | None:
    return next(([kind] for pattern, kind in _KIND_IN_NAME if pattern.search(name.lower())), None)


def _at(entry: Mapping[str, Any], path: str) -> Any:
    value: Any = entry
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _tokens(entry: Mapping[str, Any], paths: Iterable[str]) -> int | None:
    for path in paths:
        value = _at(entry, path)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_TOKENS:
            return value
    return None


def _price(value: Any) -> float | None:
    """USD per million tokens out of USD per token, which some servers write as text; negative means it varies."""
    try:
        usd = float(value) * 1e6 if isinstance(value, str | int | float) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        return None
    return float(f"{usd:.12g}") if 0 <= usd <= _DEAREST else None


def _words(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str) and len(each) <= 64] if isinstance(value, list) else []


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, [])}
