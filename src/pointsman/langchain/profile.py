"""What the models behind a router can do together, in the words of LangChain's model profiles."""

from __future__ import annotations

from collections.abc import Iterable

from langchain_core.language_models.model_profile import ModelProfile

from pointsman.catalog import capabilities as tree
from pointsman.registry.models import ModelRegistry


def profile_of(registry: ModelRegistry, absent: frozenset[str]) -> ModelProfile | None:
    """The most that any model can do: each call goes to one that can do what it needs."""
    specs = [spec for spec in registry if spec.key not in absent]
    if not specs:
        return None
    able = tree.expand(capability for spec in specs for capability in spec.capabilities)
    # A schema may be sent to any model that speaks JSON, so it is promised only if all of those keep to schemas.
    structured = [held for spec in specs if "json" in (held := tree.expand(spec.capabilities))]
    profile = ModelProfile(
        image_inputs="vision" in able,
        pdf_inputs="pdf" in able,
        audio_inputs="audio" in able,
        video_inputs="video" in able,
        tool_calling="tools" in able,
        structured_output=bool(structured) and all("json.schema" in held for held in structured),
    )
    window = _largest(spec.max_input_tokens or spec.context_window for spec in specs)
    output = _largest(spec.max_output_tokens for spec in specs)
    if window is not None:
        profile["max_input_tokens"] = window
    if output is not None:
        profile["max_output_tokens"] = output
    return profile


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
