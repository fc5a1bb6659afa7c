"""The capability tree: dotted paths, where a request for a node is served by that node and everything below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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

# Other vocabularies onto the tree: the seed documents', LiteLLM's `supports_*` (the prefix is stripped first),
# LangChain's `ModelProfile` and models.dev.
ALSO_READ_AS: dict[str, str] = {
    "text": "generation.text",
    "chat": "generation.text.chat",
    "completion": "generation.text.completion",
    "text_generation": "generation.text",
    "generation.text-generation": "generation.text",
    "generation.text_generation": "generation.text",
    "code": "generation.code",
    "code_generation": "generation.code",
    "image_generation": "generation.image",
    "image_outputs": "generation.image",
    "audio_outputs": "generation.audio",
    "audio_output": "generation.audio",
    "embedding": "embedding.text",
    "embeddings": "embedding.text",
    "tool_use": "tools",
    "tool_call": "tools",
    "tool_calling": "tools",
    "function_calling": "tools",
    "parallel_function_calling": "tools.parallel",
    "parallel_tool_calls": "tools.parallel",
    "json_mode": "json",
    "structured_output": "json.schema",
    "response_schema": "json.schema",
    "json_schema": "json.schema",
    "image_inputs": "vision",
    "images": "vision",
    "image": "vision",
    "audio_input": "audio",
    "audio_inputs": "audio",
    "video_input": "video",
    "video_inputs": "video",
    "pdf_input": "pdf",
    "pdf_inputs": "pdf",
    "reasoning_output": "reasoning",
    "native_streaming": "streaming",
    "prompt_cache": "prompt_caching",
}

_PATH = re.compile(r"[a-z0-9_+-]+(?:[.:][a-z0-9_+-]+)*\Z")


@lru_cache(maxsize=4096)
def canonical(capability: str) -> str:
    """Spell a capability as the tree does.

    Raises:
        ValueError: if it is no dotted path.

    >>> canonical("supports_function_calling"), canonical("generation.text-generation")
    ('tools', 'generation.text')
    """
    path = capability.strip().lower()
    path = ALSO_READ_AS.get(path, path)
    if path.startswith("supports_"):
        bare = path.removeprefix("supports_")
        path = ALSO_READ_AS.get(bare, bare)
    if not _PATH.match(path):
        raise ValueError(f"{capability!r} is no capability; expected a dotted path such as 'generation.text'")
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
