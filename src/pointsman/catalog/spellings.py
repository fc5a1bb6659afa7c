"""Other spellings of a model's fields: the seed documents' names and units, read into ours; conflicts are errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

RENAMED: dict[str, str] = {
    "model_id": "name",
    "model_name": "name",
    "model_family": "family",
    "max_context_length": "context_window",
    "context_length": "context_window",
    "max_tokens": "max_output_tokens",
    "quality_scores": "quality",
    "supported_input_types": "input_modalities",
    "supported_output_types": "output_modalities",
    "replacement_model": "replacement",
    "parameter_mappings": "parameter_names",
    "size": "size_billions",
    "deprecated_at": "deprecation_date",
    "memory_required_gb": "memory_gb",
}


def _thousand(value: Any) -> Any:
    return value / 1000 if _is_number(value) else value


def _times(factor: float) -> Callable[[Any], Any]:
    # Rounded at 12 significant digits: 0.15 / 1e6 * 1e6 must not become 0.15000000000000002 and conflict with 0.15.
    return lambda value: float(f"{value * factor:.12g}") if _is_number(value) else value


CONVERTED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "latency_p50_ms": ("latency_p50", _thousand),
    "latency_p99_ms": ("latency_p99", _thousand),
    "cost_per_token": ("cost_per_1m_output_tokens", _times(1e6)),
    "input_cost_per_token": ("cost_per_1m_input_tokens", _times(1e6)),
    "output_cost_per_token": ("cost_per_1m_output_tokens", _times(1e6)),
}
for _side in ("input", "output"):
    for _unit, _factor in (("1k_", 1e3), ("", 1e6)):
        for _kind in ("", "cached_", "batch_", "long_context_"):
            CONVERTED[f"{_kind}cost_per_{_unit}{_side}_token" + ("s" if _unit else "")] = (
                f"{_kind}cost_per_1m_{_side}_tokens",
                _times(_factor),
            )

_SIZE = re.compile(r"(?:(?P<experts>\d+)\s*x\s*)?(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[bBmMtT]?)\Z")
_UNITS = {"": 1.0, "b": 1.0, "m": 1e-3, "t": 1e3}


def canonical_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """Rename and convert other spellings of a model's fields.

    Raises:
        ValueError: if two spellings of one field disagree.

    >>> canonical_fields({"model_id": "m", "latency_p50_ms": 800, "supports_vision": True})
    {'name': 'm', 'latency_p50': 0.8, 'capabilities': ['vision']}
    """
    result: dict[str, Any] = {}
    flags: dict[str, bool] = {}
    for key, value in data.items():
        name, read = key, value
        if key in RENAMED:
            name = RENAMED[key]
        elif key in CONVERTED:
            name, convert = CONVERTED[key]
            read = convert(value)
        elif key.startswith("supports_") and isinstance(value, bool):
            flags[key] = value
            continue
        elif key == "is_deprecated":
            if value is True:
                name, read = "status", "deprecated"
            else:
                continue
        if name in result and result[name] != read:
            raise ValueError(f"{key!r} and another spelling of {name!r} disagree: {read!r} against {result[name]!r}")
        result[name] = read
    if isinstance(result.get("size_billions"), str):
        result["size_billions"] = size_in_billions(result["size_billions"])
    return _with_flags(result, flags)


def size_in_billions(text: str) -> float:
    """Read a model size; a mixture counts all its experts.

    >>> size_in_billions("8x7B"), size_in_billions("350M")
    (56.0, 0.35)
    """
    match = _SIZE.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no model size; expected something like '7B', '8x7B' or '350M'")
    return float(match["number"]) * _UNITS[match["unit"].lower()] * int(match["experts"] or 1)


# Flags that speak of a parameter, not of a capability.
_PARAMETER_FLAGS = {
    "supports_temperature": "temperature",
    "supports_top_p": "top_p",
    "supports_frequency_penalty": "frequency_penalty",
    "supports_presence_penalty": "presence_penalty",
    "supports_stop_sequences": "stop",
}


def _with_flags(fields: dict[str, Any], flags: Mapping[str, bool]) -> dict[str, Any]:
    """Fold `supports_*` flags and a mapping of capabilities into the list of capabilities."""
    declared = fields.get("capabilities", [])
    if isinstance(declared, Mapping):
        flags = {**flags, **{str(name): on for name, on in declared.items() if isinstance(on, bool)}}
        # A mapping of capabilities may also hold limits, such as `max_tokens`.
        fields.update(canonical_fields({str(name): it for name, it in declared.items() if not isinstance(it, bool)}))
        declared = fields["capabilities"] = []
    on = [flag.removeprefix("supports_") for flag, it in flags.items() if it and flag not in _PARAMETER_FLAGS]
    refused = [_PARAMETER_FLAGS[flag] for flag, it in flags.items() if not it and flag in _PARAMETER_FLAGS]
    if on:
        fields["capabilities"] = [*declared, *on]
    if refused:
        fields["unsupported_parameters"] = [*fields.get("unsupported_parameters", []), *refused]
    return fields


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
