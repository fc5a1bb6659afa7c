"""Builds LangChain chat models from model specs; a partner package is imported when its first model is built."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from langchain_core.language_models import BaseChatModel

from pointsman.caller import litellm_model
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import MissingCredentialError, MissingDependencyError

# LangChain's names of providers, for those whose packages speak a protocol of their own.
_PROVIDERS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "azure": "azure_openai",
    "azure_openai": "azure_openai",
    "bedrock": "bedrock_converse",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google_genai",
    "google": "google_genai",
    "groq": "groq",
    "huggingface": "huggingface",
    "mistral": "mistralai",
    "nvidia": "nvidia",
    "ollama": "ollama",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "vertex": "google_vertexai",
    "vertex_ai": "google_vertexai",
    "watsonx": "ibm",
    "xai": "xai",
}
# Servers of one's own that do not speak OpenAI's API, although they have an address.
_OWN_PROTOCOL = frozenset(
    {"anthropic", "azure", "azure_openai", "bedrock", "gemini", "google", "ollama", "vertex", "vertex_ai"}
)
# Classes, looked for by name along the inheritance, whose calls take a `timeout=` and keep it.
_TAKES_TIMEOUT = frozenset({"BaseChatOpenAI", "ChatLiteLLM", "CustomChatModel"})
_MODULE = re.compile(r"langchain[_-][a-z_-]+")


def build_chat_model(spec: ModelSpec) -> BaseChatModel:
    """Build the chat model that serves a spec; it makes no retries of its own.

    Raises:
        MissingCredentialError: E4402, if the variable of its key is not set.
        MissingDependencyError: E4401, naming the package to install.
    """
    if speaks_openai(spec):
        return _openai(spec)
    secret = spec.secret()
    provider = _PROVIDERS.get(spec.provider)
    if provider is None:
        return _litellm(spec, secret)
    try:
        return _partner(spec, provider, secret)
    except MissingDependencyError as missing:
        try:
            return _litellm(spec, secret)
        except MissingDependencyError:
            raise missing from None


def speaks_openai(spec: ModelSpec) -> bool:
    """Whether the model is reached through OpenAI's API: at OpenAI, or at a server that says where it is."""
    return spec.provider == "openai" or (spec.api_base is not None and spec.provider not in _OWN_PROTOCOL)


def takes_timeout(child: BaseChatModel) -> bool:
    """Whether a call of this model gives up by itself at its `timeout=`."""
    return _class_takes_timeout(type(child))


@lru_cache
def _class_takes_timeout(kind: type[BaseChatModel]) -> bool:
    return any(each.__name__ in _TAKES_TIMEOUT for each in kind.__mro__)


def _openai(spec: ModelSpec) -> BaseChatModel:
    try:
        from langchain_openai import ChatOpenAI  # noqa: PLC0415  optional, and a second to import
    except ImportError:
        raise MissingDependencyError("langchain-openai", extra="langchain") from None
    secret: Any = spec.secret()
    if secret is None:
        if spec.api_base is not None:
            secret = "none"  # noqa: S105  servers of one's own take any key, but the client insists on one
        elif not os.environ.get("OPENAI_API_KEY"):
            raise MissingCredentialError(spec.key, "OPENAI_API_KEY")
    arguments: dict[str, Any] = {"model": _model_id(spec), "max_retries": 0, "stream_usage": True}
    if spec.api_base is not None:
        arguments["base_url"] = spec.api_base
    if secret is not None:
        arguments["api_key"] = secret
    return ChatOpenAI(**arguments)


def _model_id(spec: ModelSpec) -> str:
    """What the server calls the model."""
    if spec.deployment_name is not None:
        return spec.deployment_name
    if spec.litellm_model is not None:
        return spec.litellm_model.removeprefix("openai/")
    return spec.name


def _partner(spec: ModelSpec, provider: str, secret: str | None) -> BaseChatModel:
    try:
        from langchain.chat_models import init_chat_model  # noqa: PLC0415  optional
    except ImportError:
        raise MissingDependencyError("langchain", extra="langchain") from None
    arguments: dict[str, Any] = {"max_retries": 0}
    if secret is not None:
        arguments["api_key"] = secret
    if spec.api_base is not None:
        arguments["azure_endpoint" if provider == "azure_openai" else "base_url"] = spec.api_base
    if provider == "azure_openai":
        arguments["azure_deployment"] = spec.deployment_name or spec.name
        if spec.api_version is not None:
            arguments["api_version"] = spec.api_version
    if provider.startswith("bedrock"):
        del arguments["max_retries"]  # its client is configured elsewhere and refuses the argument
        if spec.region is not None:
            arguments["region_name"] = spec.region
    try:
        model: BaseChatModel = init_chat_model(spec.deployment_name or spec.name, model_provider=provider, **arguments)
    except ImportError as error:
        named = _MODULE.search(str(error))
        package = named.group().replace("_", "-") if named else f"langchain-{provider}"
        raise MissingDependencyError(package) from None
    return model


def _litellm(spec: ModelSpec, secret: str | None) -> BaseChatModel:
    # Without this LiteLLM fetches its price map from the network when it is imported; the user may say otherwise.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        from langchain_litellm import ChatLiteLLM  # noqa: PLC0415  optional, and seconds to import
    except ImportError:
        raise MissingDependencyError("langchain-litellm", extra="langchain") from None
    arguments: dict[str, Any] = {"model": litellm_model(spec), "max_retries": 0}
    if spec.api_base is not None:
        arguments["api_base"] = spec.api_base
        secret = secret or "none"
    if secret is not None:
        arguments["api_key"] = secret
    model: BaseChatModel = ChatLiteLLM(**arguments)
    return model
