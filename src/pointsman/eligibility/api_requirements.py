"""What a provider's API insists on besides a key, and which of it a model's entry leaves out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from pointsman.catalog.spec import ModelSpec
from pointsman.eligibility.question import Question


class _Need(NamedTuple):
    """A requirement: the fields that meet it, the environment variables that do, and its name for people."""

    fields: tuple[str, ...]
    variables: tuple[str, ...]
    words: str


NEEDS: Mapping[str, _Need] = {
    "uses_deployment_name": _Need(("deployment_name", "litellm_model"), (), "a deployment name"),
    "requires_api_version": _Need(("api_version",), ("AZURE_API_VERSION", "OPENAI_API_VERSION"), "an API version"),
    "requires_region": _Need(("region",), ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"), "a region"),
    "requires_project_id": _Need(("project_id",), ("VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT"), "a project id"),
}


def missing(spec: ModelSpec, question: Question) -> list[str]:
    """What the model lacks to be called at all, or for this request; empty when nothing."""
    found = []
    for name, need in NEEDS.items():
        if spec.api_requirements.get(name) is not True:
            continue
        if not any(getattr(spec, field) for field in need.fields) and not any(map(os.environ.get, need.variables)):
            either = " or ".join([f"`{need.fields[0]}:`", *need.variables[:1]])
            found.append(f"needs {need.words}: set {either}")
    if spec.api_requirements.get("supports_response_format") is False and question.request.response_format is not None:
        found.append("takes no response format")
    return found
