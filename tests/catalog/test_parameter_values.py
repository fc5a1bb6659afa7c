"""Tools, choices, formats and required values, as each provider's API spells them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import InvalidParametersError, ModelRegistry, ModelSpec
from pointsman.catalog.parameters import REQUIRED_OUTPUT_TOKENS, OnUnsupported, translate

MODES: tuple[OnUnsupported, ...] = ("raise", "drop", "exclude")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "strict": {"type": "boolean"}},
    "required": ["city"],
    "additionalProperties": False,
}
OPENAPI = {name: value for name, value in SCHEMA.items() if name != "additionalProperties"}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}}
NAMED = {"type": "function", "function": {"name": "weather"}}
JSON = {"type": "json_object"}
JSON_OF_SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}

CLAUDE = ModelSpec(name="claude-sonnet-5", provider="anthropic", max_output_tokens=64_000)
ON_BEDROCK = ModelSpec(name="claude-3-haiku", provider="bedrock")
NOVA = ModelSpec(name="nova-pro", provider="bedrock")
GEMINI = ModelSpec(name="gemini-2.5-pro", provider="gemini")
LLAMA = ModelSpec(name="llama3.1:8b", provider="ollama")
COMMAND = ModelSpec(name="command-a", provider="cohere")
GPT = ModelSpec(name="gpt-4o", provider="openai")


def said(spec: ModelSpec, **parameters: Any) -> dict[str, Any]:
    """What the provider is sent, but for the limit that Anthropic always wants."""
    result = translate(spec, parameters)
    if spec in (CLAUDE, ON_BEDROCK):
        del result["max_tokens"]
    return result


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (GPT, {"tools": [TOOL]}),
        (CLAUDE, {"tools": [{"name": "weather", "description": "Of a city.", "input_schema": SCHEMA}]}),
        (ON_BEDROCK, {"tools": [{"name": "weather", "description": "Of a city.", "input_schema": SCHEMA}]}),
        (
            NOVA,
            {
                "toolConfig": {
                    "tools": [
                        {
                            "toolSpec": {
                                "name": "weather",
                                "description": "Of a city.",
                                "inputSchema": {"json": SCHEMA},
                            }
                        }
                    ]
                }
            },
        ),
        (
            GEMINI,
            {
                "tools": [
                    {"function_declarations": [{"name": "weather", "description": "Of a city.", "parameters": OPENAPI}]}
                ]
            },
        ),
        (LLAMA, {"tools": [TOOL]}),
        (COMMAND, {"tools": [TOOL]}),
    ],
    ids=lambda each: each.key if isinstance(each, ModelSpec) else "",
)
def test_tools_are_said_in_the_providers_form(spec: ModelSpec, expected: dict[str, Any]) -> None:
    assert said(spec, tools=[TOOL]) == expected
    assert translate(spec, {"tools": [TOOL]}, dialect="openai") == {"tools": [TOOL]}


@pytest.mark.parametrize(
    ("spec", "auto", "required", "named", "none"),
    [
        (GPT, "auto", "required", NAMED, "none"),
        (CLAUDE, {"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "weather"}, {"type": "none"}),
    ],
)
def test_the_choice_of_a_tool_is_said(spec: ModelSpec, auto: Any, required: Any, named: Any, none: Any) -> None:
    choices = ("auto", "required", NAMED, "none")
    assert [said(spec, tool_choice=each) for each in choices] == [
        {"tool_choice": each} for each in (auto, required, named, none)
    ]


def test_geminis_choice_is_a_mode() -> None:
    def mode(choice: Any) -> Any:
        return said(GEMINI, tool_choice=choice)["tool_config"]["function_calling_config"]

    assert [mode(each) for each in ("auto", "required", "none")] == [
        {"mode": "AUTO"},
        {"mode": "ANY"},
        {"mode": "NONE"},
    ]
    assert mode(NAMED) == {"mode": "ANY", "allowed_function_names": ["weather"]}


def test_converse_puts_tools_and_choice_together_and_none_means_no_tools() -> None:
    config = said(NOVA, tools=[TOOL], tool_choice=NAMED)["toolConfig"]
    assert set(config) == {"tools", "toolChoice"}
    assert config["toolChoice"] == {"tool": {"name": "weather"}}
    assert said(NOVA, tools=[TOOL], tool_choice="required")["toolConfig"]["toolChoice"] == {"any": {}}
    assert said(NOVA, tools=[TOOL], tool_choice="none") == {}
    assert said(LLAMA, tools=[TOOL], tool_choice="none") == {}
    assert said(LLAMA, tools=[TOOL], tool_choice="auto") == {"tools": [TOOL]}


def test_one_tool_at_a_time_is_part_of_anthropics_choice() -> None:
    serial = {"parallel_tool_calls": False}
    assert said(CLAUDE, **serial)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert said(CLAUDE, tool_choice="required", **serial)["tool_choice"] == {
        "type": "any",
        "disable_parallel_tool_use": True,
    }
    assert said(CLAUDE, tool_choice="none", **serial)["tool_choice"] == {"type": "none"}
    assert said(CLAUDE, parallel_tool_calls=True) == {}


@pytest.mark.parametrize(
    ("spec", "plain", "of_schema"),
    [
        (GPT, {"response_format": JSON}, {"response_format": JSON_OF_SCHEMA}),
        (
            GEMINI,
            {"response_mime_type": "application/json"},
            {"response_mime_type": "application/json", "response_schema": OPENAPI},
        ),
        (LLAMA, {"format": "json"}, {"format": SCHEMA}),
        (
            COMMAND,
            {"response_format": JSON},
            {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
        ),
        (CLAUDE, None, {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
    ],
    ids=lambda each: each.key if isinstance(each, ModelSpec) else "",
)
def test_a_format_is_said_where_it_was_asked_for_and_only_there(
    spec: ModelSpec, plain: dict[str, Any] | None, of_schema: dict[str, Any]
) -> None:
    assert said(spec, response_format=JSON_OF_SCHEMA) == of_schema
    assert said(spec, temperature=0.5) == {"temperature": 0.5}
    if spec is not GPT:
        assert said(spec, response_format={"type": "text"}) == {}
    if plain is not None:
        assert said(spec, response_format=JSON) == plain
    else:
        with pytest.raises(InvalidParametersError, match="only with a schema"):
            said(spec, response_format=JSON)


@pytest.mark.parametrize(
    "beyond",
    [
        {"$ref": "#/$defs/City", "$defs": {"City": {"type": "string"}}},
        {"type": "object", "properties": {"city": {"type": ["string", "null"]}}},
        {"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "integer"}]}},
    ],
)
def test_a_schema_beyond_geminis_dialect_goes_to_where_json_schema_is_taken(beyond: dict[str, Any]) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": beyond}}
    assert said(GEMINI, response_format=wanted)["response_json_schema"] == beyond
    tool = {"type": "function", "function": {"name": "f", "parameters": beyond}}
    (declared,) = said(GEMINI, tools=[tool])["tools"][0]["function_declarations"]
    assert declared == {"name": "f", "parameters_json_schema": beyond}


def test_converse_is_said_what_its_client_accepts() -> None:
    pytest.importorskip("botocore")
    from botocore.session import get_session  # type: ignore[import-untyped]
    from botocore.validate import ParamValidator  # type: ignore[import-untyped]

    shape = get_session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape
    for choice in ("auto", "required", NAMED):
        sent = said(NOVA, tools=[TOOL], tool_choice=choice, response_format=JSON_OF_SCHEMA)
        report = ParamValidator().validate({"modelId": "m", "messages": [], **sent}, shape)
        assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize(
    ("spec", "unsayable"),
    [
        (LLAMA, {"tool_choice": "required"}),
        (GEMINI, {"parallel_tool_calls": False}),
        (COMMAND, {"tool_choice": NAMED}),
        (NOVA, {"response_format": JSON}),
        (
            ModelSpec(name="claude-3-opus", provider="anthropic", capabilities=["tools"]),
            {"response_format": JSON_OF_SCHEMA},
        ),
    ],
)
def test_what_an_api_cannot_be_told_raises_or_is_dropped(spec: ModelSpec, unsayable: dict[str, Any]) -> None:
    with pytest.raises(InvalidParametersError) as caught:
        translate(spec, {**unsayable, "temperature": 0.5})
    assert [issue.parameter for issue in caught.value.issues] == list(unsayable)
    kept = translate(spec, {**unsayable, "temperature": 0.5}, on_unsupported="drop")
    assert kept.pop("max_tokens", None) in (None, REQUIRED_OUTPUT_TOKENS)
    assert kept == {"temperature": 0.5}


@pytest.mark.parametrize(
    ("spec", "unreadable"),
    [
        (GEMINI, {"tools": "search"}),
        (CLAUDE, {"tools": [{"type": "function", "function": {}}]}),
        (LLAMA, {"tools": [int]}),
        (CLAUDE, {"tool_choice": "weather"}),
        (GEMINI, {"response_format": {"type": "yaml"}}),
    ],
)
def test_what_nobody_can_read_is_never_dropped_in_silence(spec: ModelSpec, unreadable: dict[str, Any]) -> None:
    for mode in MODES:
        with pytest.raises(InvalidParametersError) as caught:
            translate(spec, unreadable, on_unsupported=mode)
        assert [issue.parameter for issue in caught.value.issues] == list(unreadable)
    assert translate(spec, unreadable, dialect="openai") == unreadable


@pytest.mark.parametrize("native", [{"type": "web_search_20250305", "name": "web_search"}, {"google_search": {}}])
def test_a_providers_own_tools_pass_as_they_are(native: dict[str, Any]) -> None:
    assert native in said(CLAUDE, tools=[TOOL, native])["tools"]
    assert native in said(GEMINI, tools=[TOOL, native])["tools"]


def test_one_stop_word_becomes_a_list_where_the_api_wants_one() -> None:
    assert said(CLAUDE, stop="END") == said(NOVA, stop="END") == said(GEMINI, stop="END") == {"stop_sequences": ["END"]}
    assert said(LLAMA, stop="END") == {"stop": ["END"]}
    assert said(GPT, stop="END") == {"stop": "END"}


def test_anthropic_gets_the_limit_it_insists_on() -> None:
    for spec in (CLAUDE, ON_BEDROCK, ModelSpec(name="claude-opus-5", provider="vertex_ai")):
        assert translate(spec, {})["max_tokens"] == REQUIRED_OUTPUT_TOKENS
    small = ModelSpec(name="claude-old", provider="anthropic", max_output_tokens=1000)
    assert translate(small, {})["max_tokens"] == 1000
    assert translate(small, {"max_completion_tokens": 10}) == {"max_tokens": 10}
    assert translate(small, {}, dialect="openai") == {}
    wordy = ModelSpec(name="claude", provider="anthropic", default_parameters={"max_tokens": 8000})
    assert translate(wordy, {})["max_tokens"] == 8000
    assert translate(NOVA, {}) == translate(GEMINI, {}) == {}


def test_the_limit_of_an_answer_is_sent_once_under_one_name() -> None:
    spec = ModelSpec(name="gpt-4o", provider="openai", default_parameters={"max_tokens": 500}, max_output_tokens=900)
    assert translate(spec, {"max_completion_tokens": 100}) == {"max_completion_tokens": 100}
    assert translate(spec, {"max_tokens": 300, "max_output_tokens": 200}) == {"max_tokens": 200}
    assert translate(spec, {"max_output_tokens": 5000}) == {"max_tokens": 900}
    assert translate(spec, {"max_tokens": None}) == {"max_tokens": 500}


def test_a_models_own_name_for_a_value_means_that_nothing_else_is_done_to_it() -> None:
    spec = ModelSpec(name="m", provider="gemini", parameter_names={"tools": "functions", "stop": "until"})
    assert translate(spec, {"tools": [TOOL], "stop": "x"}) == {"functions": [TOOL], "until": "x"}


def test_a_default_that_the_model_does_not_take_is_left_out() -> None:
    spec = ModelSpec(name="o3", provider="openai", default_parameters={"temperature": 0.2, "seed": 1})
    assert translate(spec, {}) == {"seed": 1}


def test_declared_abilities_bring_their_parameters() -> None:
    spec = ModelSpec(name="m", provider="openai", capabilities=["tools"], supported_parameters=["temperature"])
    registry = ModelRegistry([spec])
    assert registry.validate_parameters("m", {"tools": [TOOL], "temperature": 1}) == []
    assert [issue.parameter for issue in registry.validate_parameters("m", {"response_format": JSON})] == [
        "response_format"
    ]


SPECS = (
    GPT,
    CLAUDE,
    ON_BEDROCK,
    NOVA,
    GEMINI,
    LLAMA,
    COMMAND,
    ModelSpec(name="o3", provider="azure", max_output_tokens=9),
)
NAMES = st.sampled_from(
    [
        "max_tokens", "max_completion_tokens", "max_output_tokens", "temperature", "top_p", "top_k", "stop", "n", "seed",
        "tools", "tool_choice", "parallel_tool_calls", "response_format", "logit_bias", "logprobs", "stream", "user",
    ]
)  # fmt: skip
HUGE = 10**3000
SCALARS = st.none() | st.booleans() | st.integers(-HUGE, HUGE) | st.floats() | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS | st.sampled_from([TOOL, NAMED, JSON, JSON_OF_SCHEMA, "auto", "required", "none"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "function", "name", "json_schema", "schema", "parameters"]), inner)
        | st.sets(st.integers(), max_size=2)
    ),
    max_leaves=8,
)
PARAMETERS = st.dictionaries(NAMES | st.text(max_size=5) | st.integers(), VALUES, max_size=6)


@given(st.sampled_from(SPECS), PARAMETERS, VALUES, st.sampled_from(["provider", "openai"]))
def test_hostile_values_give_issues_or_the_typed_error_and_nothing_else(
    spec: ModelSpec, parameters: dict[Any, Any], tokens: Any, dialect: Any
) -> None:
    registry = ModelRegistry([spec])
    for issue in registry.validate_parameters(spec.key, parameters, input_tokens=tokens):
        assert str(issue)
        assert len(str(issue)) < 500
    with suppress(InvalidParametersError):
        registry.map_parameters(spec.key, parameters, dialect=dialect)
    with suppress(InvalidParametersError):
        registry.map_parameters(spec.key, parameters, dialect=dialect, on_unsupported="drop")


@given(st.sampled_from(SPECS), PARAMETERS)
def test_settling_standard_parameters_twice_changes_nothing(spec: ModelSpec, parameters: dict[Any, Any]) -> None:
    once = translate(spec, parameters, dialect="openai", on_unsupported="drop")
    twice = translate(spec, once, dialect="openai", on_unsupported="raise")
    assert repr(twice) == repr(once), "compared as text: NaN equals nothing"


def test_a_schema_that_holds_itself_is_no_endless_walk() -> None:
    loop: dict[str, Any] = {"type": "object"}
    loop["properties"] = {"a": loop, "b": loop}
    tool = {"type": "function", "function": {"name": "f", "parameters": loop}}
    assert "parameters_json_schema" in said(GEMINI, tools=[tool])["tools"][0]["function_declarations"][0]
    wanted = {"type": "json_schema", "json_schema": {"schema": loop}}
    with pytest.raises(InvalidParametersError, match="no JSON"):
        said(NOVA, response_format=wanted)
