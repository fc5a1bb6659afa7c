"""Other spellings of a model's fields: other registries' names and units, read into ours; conflicts are errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pointsman.catalog.capabilities import NO_CAPABILITIES
from pointsman.wishes import size_in_billions

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
    "converter_fn": "converter",
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

# One price for every token is a price for both kinds.
_BOTH_SIDES = {"cost_per_token": "cost_per_1m_input_tokens"}
# Part of other registries' metrics, which is measured here and not declared.
SET_ASIDE = {"success_rate": "measured by traffic and health checks: `router.health(name).success_rate`"}

# Far more fields, or parts of one, than a model has; each wrong one costs a line of explanation.
_MOST_PARTS = 1_000
# Beyond it an integer cannot become a float.
_NO_NUMBER = 1e300


def canonical_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """Rename and convert other spellings of a model's fields.

    Raises:
        ValueError: if two spellings of one field disagree.

    >>> canonical_fields({"model_id": "m", "latency_p50_ms": 800, "supports_vision": True})
    {'name': 'm', 'latency_p50': 0.8, 'capabilities': ['vision']}
    """
    result: dict[str, Any] = {}
    flags: dict[str, bool] = {}
    _check_size(data)
    for key, value in data.items():
        if key == "metrics" and isinstance(value, Mapping):
            _merge(result, canonical_fields({name: it for name, it in value.items() if name not in SET_ASIDE}), key)
        elif key in RENAMED:
            _put(result, RENAMED[key], value, key)
        elif key in CONVERTED:
            name, convert = CONVERTED[key]
            for each in (name, _BOTH_SIDES.get(key, name)):
                _put(result, each, convert(value), key)
        elif key.startswith("supports_") and isinstance(value, bool):
            flags[key] = value
        elif key == "status" and isinstance(value, str):
            _put(result, key, value.lower(), key)
        elif key != "is_deprecated":
            _put(result, key, value, key)
    if isinstance(result.get("size_billions"), str):
        result["size_billions"] = size_in_billions(result["size_billions"])
    return _with_flags(_with_derived_status(result, data), flags)


def _merge(fields: dict[str, Any], more: Mapping[str, Any], key: str) -> None:
    for name, value in more.items():
        _put(fields, name, value, key)


def _put(fields: dict[str, Any], name: str, value: Any, key: str) -> None:
    if name in fields and fields[name] != value:
        values = f"{_cut(value)} against {_cut(fields[name])}"
        raise ValueError(f"{key!r} and another spelling of {name!r} disagree: {values}")
    fields[name] = value


def _with_derived_status(fields: dict[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Read `is_deprecated`, which says less than a status and must not contradict it."""
    derived = data.get("is_deprecated")
    if derived is True:
        _put(fields, "status", "deprecated", "is_deprecated")
    elif derived is False and fields.get("status") == "deprecated":
        raise ValueError("'is_deprecated' and 'status' disagree: False against 'deprecated'")
    elif derived not in (None, False):
        raise ValueError(f"is_deprecated is {_cut(derived)}, expected true or false")
    return fields


def _check_size(data: Mapping[str, Any]) -> None:
    if len(data) > _MOST_PARTS:
        raise ValueError(f"it has {len(data):,} fields, expected at most {_MOST_PARTS:,}")
    for key, value in data.items():
        if isinstance(value, list | tuple | dict) and len(value) > _MOST_PARTS:
            raise ValueError(f"{key} has {len(value):,} parts, expected at most {_MOST_PARTS:,}")


# Flags that speak of parameters, not of a capability.
_PARAMETER_FLAGS: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "frequency_penalty": ("frequency_penalty",),
    "presence_penalty": ("presence_penalty",),
    "stop_sequences": ("stop",),
    "sampling_params": ("temperature", "top_p", "top_k"),
}


def _with_flags(fields: dict[str, Any], flags: Mapping[str, bool]) -> dict[str, Any]:
    """Fold `supports_*` flags and a mapping of capabilities into capabilities, features and refused parameters."""
    declared = fields.get("capabilities", [])
    if isinstance(declared, Mapping):
        flags = {**flags, **{str(name): on for name, on in declared.items() if isinstance(on, bool)}}
        limits = {str(name): it for name, it in declared.items() if not isinstance(it, bool)}
        fields["capabilities"] = []
        # A mapping of capabilities may also hold limits, such as `max_tokens`.
        _merge(fields, canonical_fields(limits), "capabilities")
    features: dict[str, bool] = {}
    for flag, on in flags.items():
        word = flag.removeprefix("supports_")
        if word in _PARAMETER_FLAGS:
            if not on:
                known = _listed(fields, "unsupported_parameters")
                fields["unsupported_parameters"] = [*known, *_PARAMETER_FLAGS[word]]
        elif word in NO_CAPABILITIES:
            features[word] = on
        elif on:
            fields["capabilities"] = [*_listed(fields, "capabilities"), word]
    if features and isinstance(fields.setdefault("features", {}), Mapping):
        fields["features"] = {**features, **fields["features"]}
    return fields


def _listed(fields: Mapping[str, Any], name: str) -> list[Any]:
    value = fields.get(name, [])
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name} is {_cut(value)}, expected a list")  # noqa: TRY004  pydantic turns it into an issue
    return list(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _NO_NUMBER


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
