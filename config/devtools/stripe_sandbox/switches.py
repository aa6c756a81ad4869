"""Checks the JSON object of a control call against the fields of a dataclass and their types."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from config.devtools.stripe_sandbox.protocol.errors import invalid
from config.devtools.stripe_sandbox.store import Object

_NUMBERS = (int, float)
_TYPES: dict[Any, tuple[type, ...]] = {
    Any: (object,),
    bool: (bool,),
    float: _NUMBERS,
    int: (int,),
    int | None: (int, type(None)),
    str: (str,),
    str | None: (str, type(None)),
    tuple[str, ...]: (list,),
}


def check_switch(kind: type[Any], given: Object, *, choices: Mapping[str, tuple[str, ...]], own: set[str]) -> Object:
    """Return the given fields if they are valid.

    Args: choices: the allowed values of a field; own: fields that only the sandbox sets.

    Raises: StripeError for an unknown field or an invalid value.
    """
    known = {each.name: each.type for each in fields(kind) if each.name not in own}
    for name, value in given.items():
        if name not in known:
            raise invalid(f"There is no switch {name}.", param=name)
        types = _TYPES[known[name]]
        # For Python, a bool is an int.
        is_bool_instead = isinstance(value, bool) and bool not in types and object not in types
        if not isinstance(value, types) or is_bool_instead or (isinstance(value, _NUMBERS) and value < 0):
            raise invalid(f"Invalid {name}: {value}", param=name)
        if name in choices and value not in choices[name]:
            raise invalid(f"{name} must be one of {', '.join(choices[name])}.", param=name)
    return given
