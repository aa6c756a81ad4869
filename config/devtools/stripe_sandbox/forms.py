"""Form bodies and queries as Stripe's clients encode them: `line_items[0][price_data][currency]=omr`."""

import re
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from config.devtools.stripe_sandbox.errors import invalid

DEEPEST = 10
MOST_FIELDS = 1000
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def decode(text: str) -> dict[str, Any]:
    """Nested dictionaries of strings; lists are dictionaries by index: only the endpoint knows which is meant.

    Raises: StripeError where a name is malformed, or says that one thing is both a value and a group.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
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
    if len(path) > DEEPEST:
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
    """Where this step goes: `[]` opens the next element, or goes on with the last while it lacks the field."""
    if step:
        return step
    newest = str(len(group) - 1)
    if following and isinstance(group.get(newest), dict) and following not in group[newest]:
        return newest
    return str(len(group))


def readable(value: Any) -> Any:
    """What was decoded, with lists wherever all names are numbers: for people, and for the request log."""
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [readable(value[key]) for key in sorted(value, key=int)]
    return {key: readable(inner) for key, inner in value.items()}
