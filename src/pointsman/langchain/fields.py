"""Keyword arguments of the door's classes: LangChain drops what no field is called, here it is refused."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from pointsman.catalog.spec import nearest
from pointsman.errors import ConfigError

# What LangChain's own suites give to every chat model and only its children can use.
_OF_THE_CHILDREN = "api_key"


def refuse_unknown(kind: type[BaseModel], given: Any) -> None:
    """Refuse a keyword argument that the class has no field for; aliases count.

    Raises:
        ConfigError: E4006, naming the nearest field.
    """
    known = dict.fromkeys(kind.model_fields)
    for field in kind.model_fields.values():
        known |= dict.fromkeys(name for name in (field.alias, field.validation_alias) if isinstance(name, str))
    for name in given if isinstance(given, Mapping) else ():
        if name == _OF_THE_CHILDREN and name not in known:
            text = f"{kind.__name__} sends no api_key: each model has its own, `api_key: env:NAME` in its entry"
            warnings.warn(text, UserWarning, stacklevel=5)
        elif name not in known:
            own = ", ".join(each for each in known if each in kind.__annotations__)
            raise ConfigError(
                f"{kind.__name__} has no field {str(name)[:80]!r}", hint=nearest(str(name), known) or f"it has: {own}"
            )
