"""Checks the parameters of a request against the parameter classes of the pinned `stripe` library.

Those classes are generated from Stripe's description of its API. A name, type or value that Stripe would refuse is
refused here with the same error, before the endpoint runs. A parameter that the sandbox does not support is refused
with a code of its own.
"""

import collections.abc
import re
import typing
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin

from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject
from typing_extensions import is_typeddict

from config.devtools.stripe_sandbox.protocol.errors import StripeError, invalid, unsupported

_NAMES_OF_THE_LIBRARY = {"StripeContext": object, "Mapping": collections.abc.Mapping}
_NOT_PARAMETERS = frozenset(RequestOptions.__annotations__)
MAX_METADATA_NAMES = 50
MAX_METADATA_NAME_LENGTH = 40
MAX_METADATA_VALUE_LENGTH = 500
MAX_TEXT_LENGTH = 5000


class _Mismatch(Exception):
    """The value is not of this type. The text is Stripe's message."""


@dataclass(frozen=True)
class Accepted:
    """The parameters of one endpoint: those that Stripe has, and those that the sandbox supports.

    `supported` holds top-level names and, for partly supported groups, dotted names without indices
    (`subscription_data.metadata`); a top-level name alone stands for the whole group.
    """

    described_by: type[Any]
    supported: frozenset[str]
    required: frozenset[str] = frozenset()

    def read(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters as numbers, booleans, lists and strings.

        Raises: StripeError for the first parameter that Stripe or the sandbox does not accept.
        """
        for name in self.required:
            if name not in given:
                raise StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)
        known = _group(given, self.described_by, "")
        self._refuse_unsupported(known, "")
        _check_metadata(known, "")
        return known

    def _refuse_unsupported(self, given: dict[str, Any], above: str) -> None:
        for name, value in given.items():
            path = f"{above}{name}"
            if path in self.supported or path == "expand":
                continue
            groups = value if isinstance(value, list) else [value]
            if not any(each.startswith(f"{path}.") for each in self.supported):
                raise unsupported(path)
            for group in groups:
                self._refuse_unsupported(group, f"{path}.")


def accept(described_by: type[Any], supported: str, required: str = "") -> Accepted:
    """Make `Accepted` from names separated by spaces."""
    return Accepted(described_by, frozenset(supported.split()), frozenset(required.split()))


# A cache, because reading annotations is slow.
_READ: dict[type[Any], dict[str, Any]] = {}


def _fields(described_by: type[Any]) -> dict[str, Any]:
    if described_by not in _READ:
        _READ[described_by] = _read_fields(described_by)
    return _READ[described_by]


def _read_fields(described_by: type[Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(described_by, localns=_NAMES_OF_THE_LIBRARY, include_extras=True)
    return {name.rstrip("_"): hint for name, hint in hints.items() if name not in _NOT_PARAMETERS}


def _group(given: Any, described_by: type[Any], path: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise invalid(f"Invalid object: {given}", param=path)
    fields = _fields(described_by)
    for name in given:
        if name not in fields:
            raise StripeError(
                f"Received unknown parameter: {_inside(path, name)}",
                code="parameter_unknown",
                param=_inside(path, name),
            )
    for name, hint in fields.items():
        if get_origin(hint) is not NotRequired and name not in given:
            raise StripeError(
                f"Missing required param: {_inside(path, name)}.",
                code="parameter_missing",
                param=_inside(path, name),
            )
    return {name: _value(value, fields[name], _inside(path, name)) for name, value in given.items()}


def _inside(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _value(value: Any, hint: Any, path: str) -> Any:
    if get_origin(hint) in (NotRequired, Required):
        hint = get_args(hint)[0]
    alternatives = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    words = {word for each in alternatives if get_origin(each) is Literal for word in get_args(each)}
    if isinstance(value, str):
        if value in words:
            return value
        if value == "":
            raise StripeError(
                f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a"
                f" parameter; however '{path}' cannot be unset. You should remove '{path}' from your request or"
                " supply a non-empty value.",
                code="parameter_invalid_empty",
                param=path,
            )
        # `Literal[...] | str` is an enumeration that may grow; a lone `Literal[""]` only says "may be unset".
        if words - {""}:
            alternatives = tuple(each for each in alternatives if each is not str)
    problem = ""
    for each in alternatives:
        if get_origin(each) is Literal:
            continue
        try:
            return _of_type(value, each, path)
        except _Mismatch as mismatch:
            problem = str(mismatch)
    if words - {""}:
        problem = f"Invalid {path}: must be one of {', '.join(sorted(words - {''}))}"
    code = "parameter_invalid_integer" if problem.startswith("Invalid integer") else None
    raise invalid(problem or f"Invalid {path}", param=path, code=code)


def _of_type(value: Any, kind: Any, path: str) -> Any:
    origin = get_origin(kind)
    if origin is list:
        return _list(value, get_args(kind)[0], path)
    if origin is dict or kind is UntypedStripeObject or origin is UntypedStripeObject:
        if not isinstance(value, dict):
            raise _Mismatch(f"Invalid hash: {value}")
        return {name: inner for name, inner in value.items() if isinstance(inner, str)}
    if is_typeddict(kind):
        if not isinstance(value, dict):
            raise _Mismatch(f"Invalid object: {value}")
        return _group(value, kind, path)
    if not isinstance(value, str):
        raise _Mismatch(f"Invalid string: {value}")
    return _scalar(value, kind)


def _list(value: Any, kind: Any, path: str) -> list[Any]:
    if not isinstance(value, dict) or not all(index.isdecimal() for index in value):
        raise _Mismatch("Invalid array")
    return [_value(value[index], kind, f"{path}[{index}]") for index in sorted(value, key=int)]


def _scalar(value: str, kind: Any) -> Any:
    if kind is int:
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise _Mismatch(f"Invalid integer: {value}")
        return int(value)
    if kind is bool:
        if value not in ("true", "false"):
            raise _Mismatch(f"Invalid boolean: {value}")
        return value == "true"
    if kind is str:
        if len(value) > MAX_TEXT_LENGTH:
            raise _Mismatch(f"Invalid string: {value[:20]}…; must be at most {MAX_TEXT_LENGTH} characters")
        return value
    if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,12})?", value):  # decimals stay text: no float
        raise _Mismatch(f"Invalid decimal: {value}")
    return value


def _check_metadata(given: Any, path: str) -> None:
    """Check Stripe's limits of metadata: 50 names of 40 characters, values of 500."""
    for name, value in given.items() if isinstance(given, dict) else enumerate(given):
        inside = _inside(path, str(name))
        if name == "metadata" and isinstance(value, dict):
            if len(value) > MAX_METADATA_NAMES:
                raise invalid(f"Metadata may have up to {MAX_METADATA_NAMES} keys", param=inside)
            for key, text in value.items():
                if len(key) > MAX_METADATA_NAME_LENGTH:
                    raise invalid(f"Metadata keys can have up to {MAX_METADATA_NAME_LENGTH} characters", param=inside)
                if len(text) > MAX_METADATA_VALUE_LENGTH:
                    raise invalid(
                        f"Metadata values can have up to {MAX_METADATA_VALUE_LENGTH} characters, but you passed in"
                        f" a value that is {len(text)} characters.",
                        param=f"{inside}[{key}]",
                    )
        elif isinstance(value, dict | list):
            _check_metadata(value, inside)
