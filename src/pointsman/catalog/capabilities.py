"""The capability tree: dotted paths, where a request for a node is served by that node and everything below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

# The nodes that ship. The tree is open: any dotted path that a catalogue declares becomes a node.
TREE: frozenset[str] = frozenset(
    {
        "generation.text.chat",
        "generation.text.completion",
        "generation.code",
        "generation.image",
        "generation.audio",
        "generation.video",
        "embedding.text",
        "embedding.image",
        "rerank",
        "moderation",
        "transcription",
        "vision",
        "audio",
        "video",
        "pdf",
        "tools",
        "tools.parallel",
        "json",
        "json.schema",
        "streaming",
        "reasoning",
        "prompt_caching",
        "web_search",
        "computer_use",
        "batch",
    }
)

# What a model is for. A request that names none of these asks for text.
KINDS = frozenset({"generation", "embedding", "rerank", "moderation", "transcription"})
_TEXT_KINDS = frozenset({"generation", "generation.text", "generation.code"})

# Vocabularies in use, each word onto the node it means; what else they say of a model stands in `NO_CAPABILITY`.
# Words of other registries and of everyday speech.
COMMON: Mapping[str, str] = {
    "text": "generation.text",
    "chat": "generation.text.chat",
    "completion": "generation.text.completion",
    "text_generation": "generation.text",
    "generation.text-generation": "generation.text",
    "generation.text_generation": "generation.text",
    "code": "generation.code",
    "code_generation": "generation.code",
    "generation.code-generation": "generation.code",
    "generation.code_generation": "generation.code",
    "image_generation": "generation.image",
    "embedding": "embedding.text",
    "embeddings": "embedding.text",
    "tool_use": "tools",
    "parallel_tool_calls": "tools.parallel",
    "json_mode": "json",
    "json_schema": "json.schema",
    "images": "vision",
    "image": "vision",
    "prompt_cache": "prompt_caching",
}
# LiteLLM's model map: flags `supports_*`, here without the prefix.
LITELLM: Mapping[str, str] = {
    "native_streaming": "streaming",
    "vision": "vision",
    "image_input": "vision",
    "audio_input": "audio",
    "video_input": "video",
    "pdf_input": "pdf",
    "audio_output": "generation.audio",
    "function_calling": "tools",
    "parallel_function_calling": "tools.parallel",
    "response_schema": "json.schema",
    "native_structured_output": "json.schema",
    "reasoning": "reasoning",
    "prompt_caching": "prompt_caching",
    "web_search": "web_search",
    "computer_use": "computer_use",
    "embedding_image_input": "embedding.image",
}
# LangChain's `ModelProfile`.
LANGCHAIN: Mapping[str, str] = {
    "text_outputs": "generation.text",
    "image_outputs": "generation.image",
    "audio_outputs": "generation.audio",
    "video_outputs": "generation.video",
    "image_inputs": "vision",
    "pdf_inputs": "pdf",
    "audio_inputs": "audio",
    "video_inputs": "video",
    "reasoning_output": "reasoning",
    "tool_calling": "tools",
    "structured_output": "json.schema",
}
# models.dev; its modalities are lists, written here as paths.
MODELS_DEV: Mapping[str, str] = {
    "reasoning": "reasoning",
    "tool_call": "tools",
    "structured_output": "json.schema",
    "modalities.input.image": "vision",
    "modalities.input.audio": "audio",
    "modalities.input.video": "video",
    "modalities.input.pdf": "pdf",
    "modalities.output.text": "generation.text",
    "modalities.output.image": "generation.image",
    "modalities.output.audio": "generation.audio",
    "modalities.output.video": "generation.video",
}
ALSO_READ_AS: dict[str, str] = {**COMMON, **LITELLM, **LANGCHAIN, **MODELS_DEV}

# Deliberately no capabilities, by what they are instead. Flags among them are kept as `features` of a model.
# fmt: off
NO_CAPABILITY: Mapping[str, frozenset[str]] = {
    "who it is and since when": frozenset([
        "id", "name", "family", "status", "release_date", "last_updated", "knowledge", "open_weights", "license", "links",
        "weights", "benchmarks", "provider", "experimental",
    ]),
    "limits and prices": frozenset(["max_input_tokens", "max_output_tokens", "limit", "cost"]),
    "every model of its kind does it": frozenset(["text_inputs", "modalities.input.text"]),
    "parameters, and what they may be": frozenset([
        "temperature", "sampling_params", "tool_choice", "forced_tool_use", "parallel_tool_use_config", "speed",
        "reasoning_effort_levels", "reasoning_effort_default", "reasoning_options", "output_config", "image_size",
        "none_reasoning_effort", "minimal_reasoning_effort", "low_reasoning_effort", "max_reasoning_effort",
        "xhigh_reasoning_effort", "adaptive_thinking", "legacy_thinking", "fast_mode",
    ]),
    "what messages may hold": frozenset([
        "system_messages", "assistant_prefill", "mid_conversation_system", "mid_conversation_system_messages",
        "mid_conversation_tools", "image_url_inputs", "image_tool_message", "pdf_tool_message", "attachment",
        "multimodal", "url_context", "interleaved", "tool_call_streaming", "tool_search", "prompt_cache_breakpoint",
    ]),
    "how one host is spoken to": frozenset([
        "anthropic_compaction", "anthropic_thinking_payload", "bedrock_converse_tool_result_images",
        "bedrock_native_structured_output", "bedrock_runtime_chat_completions_inline_reasoning",
        "bedrock_runtime_chat_completions_response_format", "bedrock_runtime_chat_completions_tools_with_reasoning",
        "box_questions", "nova_canvas_image_edit", "regex_lookaround", "thinking_cache_preservation",
    ]),
}
# fmt: on
NO_CAPABILITIES: frozenset[str] = frozenset().union(*NO_CAPABILITY.values())

_LONGEST = 128
_PATH = re.compile(r"[a-z0-9_+-]+(?:[.:][a-z0-9_+-]+)*\Z")


@lru_cache(maxsize=4096)
def canonical(capability: str) -> str:
    """Spell a capability as the tree does.

    Raises:
        ValueError: if it is no dotted path.

    >>> canonical("supports_function_calling"), canonical("generation.text-generation.chat")
    ('tools', 'generation.text.chat')
    """
    if len(capability) > _LONGEST:
        raise ValueError(f"{capability[:40]!r}... is no capability; expected at most {_LONGEST} characters")
    path = capability.strip().lower().removeprefix("supports_")
    path = ALSO_READ_AS.get(path) or _below(path)
    if not _PATH.match(path):
        raise ValueError(f"{capability!r} is no capability; expected a dotted path such as 'generation.text'")
    return path


def _below(path: str) -> str:
    """A path whose beginning is spelled otherwise, with the tree's beginning."""
    for node in nodes_above(path):
        if "." in node and node in ALSO_READ_AS:
            return ALSO_READ_AS[node] + path.removeprefix(node)
    return path


def nodes_above(path: str) -> Iterator[str]:
    """Yield the path itself and every node above it.

    >>> list(nodes_above("generation.text.chat"))
    ['generation.text.chat', 'generation.text', 'generation']
    """
    while path:
        yield path
        path = path.rpartition(".")[0]


def expand(capabilities: Iterable[str]) -> frozenset[str]:
    """Every node that models with these capabilities can serve."""
    return frozenset(node for path in capabilities for node in nodes_above(path))


def names_a_kind(capabilities: Iterable[str]) -> bool:
    """Whether one of them says what the model is for."""
    return any(path.partition(".")[0] in KINDS for path in capabilities)


def answers_text(capabilities: Iterable[str]) -> bool:
    """Whether models with these capabilities answer in text; where nothing is said of their kind, they may."""
    declared = [path for path in capabilities if path.partition(".")[0] in KINDS]
    return not declared or any(path in _TEXT_KINDS or path.startswith("generation.text.") for path in declared)
