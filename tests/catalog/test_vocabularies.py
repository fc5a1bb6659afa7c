"""Every word that LangChain, LiteLLM and models.dev have for what a model can do is on the tree, or said not to be one."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.model_profile import ModelProfile

from pointsman import ModelSpec
from pointsman.catalog import capabilities as tree

MODEL_MAP = Path(
    str(metadata.distribution("litellm").locate_file("litellm/model_prices_and_context_window_backup.json"))
)
# Keys of a model in models.dev's schema, July 2026, its two lists of modalities as paths.
MODELS_DEV = {
    "id", "name", "family", "attachment", "reasoning", "reasoning_options", "tool_call", "interleaved",
    "structured_output", "temperature", "knowledge", "release_date", "last_updated", "open_weights", "limit", "status",
    "experimental", "provider", "cost", "license", "links", "weights", "benchmarks",
    *(f"modalities.input.{each}" for each in ("text", "audio", "image", "video", "pdf")),
    *(f"modalities.output.{each}" for each in ("text", "audio", "image", "video")),
}  # fmt: skip


def litellm_flags() -> set[str]:
    entries: dict[str, dict[str, Any]] = json.loads(MODEL_MAP.read_text())
    keys = {key for entry in entries.values() for key in entry}
    return {key.removeprefix("supports_") for key in keys if key.startswith("supports_")}


@pytest.mark.parametrize(
    ("vocabulary", "words"),
    [
        (tree.LANGCHAIN, set(ModelProfile.__annotations__)),
        (tree.LITELLM, litellm_flags()),
        (tree.MODELS_DEV, MODELS_DEV),
    ],
    ids=["langchain", "litellm", "models.dev"],
)
def test_every_word_is_a_node_or_deliberately_none(vocabulary: dict[str, str], words: set[str]) -> None:
    assert len(words) >= 20
    assert words - set(vocabulary) - tree.NO_CAPABILITIES == set()
    assert set(vocabulary) <= words, "what nobody says any more has no place in the table"


def test_every_word_means_a_node_of_the_tree_and_one_only() -> None:
    vocabularies = (tree.COMMON, tree.LITELLM, tree.LANGCHAIN, tree.MODELS_DEV)
    nodes = tree.expand(tree.TREE)
    for vocabulary in vocabularies:
        for word, node in vocabulary.items():
            assert node in nodes, word
            assert tree.ALSO_READ_AS[word] == node, f"{word} means two things"
            assert tree.canonical(word) == node
            assert tree.canonical(node) == node, "reading twice changes nothing"
    assert not tree.NO_CAPABILITIES & set(tree.ALSO_READ_AS)


def test_a_langchain_profile_can_be_given_as_capabilities() -> None:
    profile: ModelProfile = {
        "tool_calling": True,
        "image_inputs": True,
        "audio_inputs": False,
        "structured_output": True,
        "reasoning_output": True,
        "temperature": False,
        "mid_conversation_tools": False,
        "max_input_tokens": 200_000,
        "max_output_tokens": 64_000,
    }
    spec = ModelSpec(name="m", provider="anthropic", capabilities=profile)
    assert set(spec.capabilities) == {"tools", "vision", "json.schema", "reasoning"}
    assert (spec.max_input_tokens, spec.max_output_tokens) == (200_000, 64_000)
    assert spec.unsupported_parameters == ("temperature",)
    assert spec.features == {"mid_conversation_tools": False}


def test_a_litellm_entrys_flags_can_stand_in_a_models_entry() -> None:
    spec = ModelSpec(
        name="m",
        provider="openai",
        supports_function_calling=True,
        supports_response_schema=True,
        supports_vision=False,
        supports_tool_choice=True,
        supports_sampling_params=False,
    )
    assert spec.capabilities == ("tools", "json.schema")
    assert spec.features == {"tool_choice": True}
    assert spec.unsupported_parameters == ("temperature", "top_p", "top_k")


@pytest.mark.parametrize(
    ("path", "node"),
    [
        ("generation.text-generation", "generation.text"),
        ("generation.text-generation.summarization", "generation.text.summarization"),
        ("generation.code_generation.python", "generation.code.python"),
        ("Vision", "vision"),
        ("supports_tool_use", "tools"),
        ("generation.textual", "generation.textual"),
    ],
)
def test_what_lies_below_another_spelling_lies_below_our_node(path: str, node: str) -> None:
    assert tree.canonical(path) == node
