"""Decodes form bodies and query strings as Stripe encodes them: `line_items[0][price_data][currency]=omr`."""

import re
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from config.devtools.stripe_sandbox.protocol.errors import invalid

MAX_DEPTH = 10
MAX_FIELDS = 1000
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def decode(text: str) -> dict[str, Any]:
    """Decode to nested dictionaries of strings. A list is a dictionary by index: only the endpoint knows the type.

    Raises: StripeError if a name is malformed, or makes one thing both a value and a group.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise invalid(f"Invalid request: {error}") from error
    root: dict[str, Any] = {}
    for name, value in pairs:
        _put(root, name, value)
    return root


def _put(root: dict[str, Any], name: str, value: str) -> None:
    match = _NAME.fullmatch(name)
    if match is None:
        raise invalid(f"Invalid parameter name: {name}", param=name)
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if len(path) > MAX_DEPTH:
        raise invalid(f"Invalid parameter name: {name} is nested too deeply", param=name)
    group = root
    for step, following in pairwise(path):
        inner = group.setdefault(_index(group, step, following), {})
        if not isinstance(inner, dict):
            raise invalid(f"Invalid parameter: {name}", param=name)
        group = inner
    last = _index(group, path[-1], None)
    if isinstance(group.get(last), dict):
        raise invalid(f"Invalid parameter: {name}", param=name)
    group[last] = value


def _index(group: dict[str, Any], step: str, following: str | None) -> str:
    """Return the key of a step. `[]` starts a new element, or continues the last one while it lacks the field."""
    if step:
        return step
    newest = str(len(group) - 1)
    if following and isinstance(group.get(newest), dict) and following not in group[newest]:
        return newest
    return str(len(group))


def readable(value: Any) -> Any:
    """Turn dictionaries with only numeric names into lists, for people and for the request log."""
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [readable(value[key]) for key in sorted(value, key=int)]
    return {key: readable(inner) for key, inner in value.items()}
