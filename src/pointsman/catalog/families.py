"""Which family a model belongs to, where its name says so: the rules behind imported entries."""

from __future__ import annotations

import re
from functools import lru_cache

# Where a name begins: behind the maker's path (`meta-llama/`), a region or a maker (`us.anthropic.`), a host's prefix.
_LEAD = re.compile(
    r"(?:us-gov|us|eu|apac|jp|au|ca|global)\.|(?:accounts/[^/]+/models/)|(?:databricks|meta|openai|xai)-"
)
_MAKER = re.compile(r"(?:anthropic|amazon|meta|mistral|openai|google|xai|qwen|moonshotai?|zai|nvidia|minimax)\.")

# The first pattern that matches the beginning of a name decides. `{0}` and `{1}` are what it captured.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"gpt-oss", "gpt-oss"),
        (r"(?:chat)?gpt-4o", "gpt-4o"),
        (r"gpt-4\.1-mini", "gpt-4.1-mini"),
        (r"gpt-(4\.[15])", "gpt-{0}"),
        (r"gpt-4(?![.\d])", "gpt-4"),
        (r"gpt-3\.?5", "gpt-3.5"),
        (r"gpt-([5-9])(?!\d)", "gpt-{0}"),
        (r"o[1-9](?:-|$)", "o-series"),
        (r"text-embedding-3-", "text-embedding-3"),
        (r"text-embedding-ada", "text-embedding-ada"),
        (r"claude-v?([12])(?!\d)", "claude-{0}"),
        (r"claude-3[-.]([57])(?!\d)", "claude-3.{0}"),
        (r"claude-(?:[a-z]+-)?5[-.]5(?!\d)", "claude-5.5"),
        (r"claude-(?:[a-z]+-)?([345])(?![\d.])", "claude-{0}"),
        (r"claude-(?:[a-z]+-)?([45])\.\d(?!\d)", "claude-{0}"),
        (r"gemini-embedding", "gemini-embedding"),
        (r"gemini-([12])[.-]([05])(?!\d)", "gemini-{0}.{1}"),
        (r"gemini-([3-9])(?!\d)", "gemini-{0}"),
        (r"gemini-pro(?:-vision)?(?:$|@)", "gemini-pro"),
        (r"gemma-?([2-9])", "gemma-{0}"),
        (r"llama-?v?([2-4])(?![\db])", "llama-{0}"),
        (r"qwen-?(?:v)?2[.p]5", "qwen-2.5"),
        (r"qwen-?([23])(?:[.p]\d)?(?!\d)", "qwen-{0}"),
        (r"deepseek", "deepseek"),
        (r"kimi-", "kimi"),
        (r"glm-", "glm"),
        (r"phi-?\d", "phi"),
        (r"grok-([2-9])(?!\d)", "grok-{0}"),
        (r"command-([ar])(?![a-z])", "command-{0}"),
        (r"mistral-", "mistral"),
        (r"mixtral-", "mixtral"),
        (r"nova-(?:2-)?(?:micro|lite|pro|premier)", "nova"),
        (r"titan-embed", "titan-embed"),
        (r"cohere[.-]embed", "cohere-embed"),
        (r"bge-", "bge"),
        (r"llava", "llava"),
    )
)

# Azure's and Bedrock's own catalogues name families after the cloud; Google's keep underscores everywhere.
_ON_AZURE = {"gpt-3.5": "azure_gpt_35", "text-embedding-3": "azure_text_embedding"}
_ON_AZURE["text-embedding-ada"] = _ON_AZURE["text-embedding-3"]
_GOOGLE = frozenset({"gemini", "google", "vertex_ai"})


@lru_cache(maxsize=8192)
def family_of(provider: str, name: str) -> str | None:
    """Name the family, spelt as the built-in catalogue of this provider spells it; None where the name is not clear.

    >>> family_of("openai", "gpt-4o-mini-2024-07-18"), family_of("bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0")
    ('gpt-4o', 'bedrock_claude_35')
    """
    family = _general(name.lower())
    if family is None:
        return None
    if provider == "azure":
        return _ON_AZURE.get(family, f"azure_{family.replace('-', '_').replace('.', '_')}")
    if provider == "bedrock":
        return f"bedrock_{family.replace('-', '_').replace('.', '')}"
    if family == "gpt-4.1-mini":
        return "gpt-4.1"
    if family.startswith("gemini-") or (family.startswith("gemma-") and provider in _GOOGLE):
        return family.replace("-", "_").replace(".", "_")
    return "gemma" if family.startswith("gemma-") else family


def _general(name: str) -> str | None:
    last = name.rpartition("/")[2]
    bare = _LEAD.sub("", last)
    for start in (last, bare, _MAKER.sub("", bare, count=1)):
        for pattern, family in _RULES:
            match = pattern.match(start)
            if match is not None:
                return family.format(*match.groups())
    return None
