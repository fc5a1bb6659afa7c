"""The page for people who come from another registry: their names, fields, capabilities and parameters, and ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pointsman.catalog import capabilities as tree
from pointsman.catalog.apis import LACKS, Api
from pointsman.catalog.apis import NAMES as PARAMETER_NAMES
from pointsman.catalog.spellings import CONVERTED, RENAMED, SET_ASIDE
from pointsman.reference.markdown import code, page, table
from pointsman.reference.names import NAMES, SYSTEMS, Name, System

_TITLE = "# Coming from another registry"
_INTRODUCTION = """\
Registries of models that teams have written for themselves agree on much. What they agree on has the same name here. For
the rest, the tables below say where it is. **Answers to both** means that their name works as it is: on `ModelRegistry`
where our name is one of `registry`, on `Router` where it is one of `router`. Fields, units and capabilities of all of
them are read in configuration files and by `ModelSpec(...)`; two spellings of one field that disagree are an error."""
_FIELDS = """\
## Fields of a model

What is not stated stays unknown: there are no defaults for windows, limits and prices. Latencies are seconds, prices are
USD per million tokens."""
_CAPABILITIES = """\
## Capabilities

A request for a node of the tree finds models that declare it or a node below it. Words of other vocabularies, with or
without `supports_` before them, stand for these nodes; a `capabilities:` mapping of flags is read as the list of those
that are true. Flags of `supports_temperature` and its like say which parameters a model takes."""
_NO_CAPABILITIES = "These words are deliberately no capabilities. Flags among them are kept as `features` of the model:"
_PARAMETERS = """\
## Parameters

Requests use OpenAI's names. `registry.map_parameters(name, parameters)` and `attempt.parameters` give the provider's,
for callers that speak to the provider themselves; with `dialect="openai"` names stay as they are, for LiteLLM and
LangChain, which rename themselves. A model's own `parameter_names` go first. Names that are not listed are the same
everywhere. Claude speaks Anthropic's API on Bedrock and Vertex too. `tools`, `tool_choice`, `parallel_tool_calls` and
`response_format` are translated by value. Anthropic's API insists on `max_tokens`: without a wish it is given 4,096, or
the model's limit where that is less."""
_APIS: Mapping[Api, str] = {
    "openai": "OpenAI, Azure and compatible",
    "reasoning": "OpenAI's reasoning models",
    "anthropic": "Anthropic",
    "converse": "Bedrock",
    "gemini": "Gemini, Vertex",
    "ollama": "Ollama",
    "cohere": "Cohere",
    "huggingface": "Hugging Face",
}


def coming_from() -> str:
    """The page as Markdown."""
    return page(
        _TITLE,
        _INTRODUCTION,
        *(_system(system, title) for system, title in SYSTEMS.items()),
        _FIELDS,
        table(("theirs", "ours", ""), _fields()),
        _CAPABILITIES,
        table(("node", "common words", "LiteLLM", "LangChain's `ModelProfile`", "models.dev"), _capabilities()),
        _NO_CAPABILITIES,
        table(("what they are", "words"), ((kind, _list(words)) for kind, words in tree.NO_CAPABILITY.items())),
        _PARAMETERS,
        table(("standard", *_APIS.values()), _parameters()),
    )


def _system(system: System, title: str) -> str:
    rows = [_row(name) for name in NAMES if name.system == system]
    return f"## {title}\n\n" + table(("theirs", "ours", "answers to both", "difference"), rows)


def _row(name: Name) -> tuple[str, ...]:
    return (code(name.theirs), code(name.ours), "yes" if name.on else "", name.note)


def _fields() -> Iterator[tuple[str, str, str]]:
    ours: dict[str, list[str]] = {}
    for theirs, field in RENAMED.items():
        ours.setdefault(field, []).append(theirs)
    for field, spellings in ours.items():
        yield _list(spellings), code(field), ""
    for theirs, (field, _) in CONVERTED.items():
        yield code(theirs), code(field), "for input and output" if theirs == "cost_per_token" else "converted"
    yield code("is_deprecated"), code("status"), "`true` is `deprecated`; derived: `spec.is_deprecated`"
    yield code("metrics"), "", "a mapping of fields, read as if they stood in the entry itself"
    for theirs, why in SET_ASIDE.items():
        yield code(f"metrics.{theirs}"), "", f"{why}; set aside"


def _capabilities() -> Iterator[tuple[str, ...]]:
    vocabularies = (tree.COMMON, tree.LITELLM, tree.LANGCHAIN, tree.MODELS_DEV)
    nodes = dict.fromkeys(node for vocabulary in vocabularies for node in vocabulary.values())
    for node in sorted(nodes):
        yield code(node), *(_list(_words_for(node, vocabulary)) for vocabulary in vocabularies)


def _words_for(node: str, vocabulary: Mapping[str, str]) -> list[str]:
    return [word for word, meant in vocabulary.items() if meant == node]


def _parameters() -> Iterator[tuple[str, ...]]:
    standard = dict.fromkeys(
        ["max_tokens", "stop", "temperature", "top_p", "n", "seed"]
        + [name for names in PARAMETER_NAMES.values() for name in names]
        + [name for names in LACKS.values() for name in sorted(names)]
    )
    for name in standard:
        yield code(name), *(_theirs(api, name) for api in _APIS)


def _theirs(api: Api, name: str) -> str:
    if name in LACKS.get(api, ()):
        return "refused"
    return code(PARAMETER_NAMES[api].get(name, name))


def _list(words: Iterable[str]) -> str:
    return ", ".join(code(word) for word in (sorted(words) if isinstance(words, frozenset) else words))
