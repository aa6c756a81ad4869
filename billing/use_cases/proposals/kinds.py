"""The kinds of acts that can be proposed. Each app lists its own in `proposal_kinds` of its AppConfig."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from django.apps import apps
from django.utils.module_loading import import_string

from billing.actor import Actor

# Values that JSON can hold: a kind's module converts them to and from the types of its use case.
Arguments = Mapping[str, Any]


class Difference(NamedTuple):
    """One line of what an act changes, in words and figures for people."""

    name: str
    before: str
    after: str


class Result(NamedTuple):
    """The result of an act in a sentence, and the record that shows it, by model as in addresses and key.

    `value` is what the act's use case returned, for a caller that needs it.
    """

    message: str
    model: str = ""
    key: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An act that can need approval: the functions that know its arguments.

    `lock_state` locks the records that the act changes, and returns their state as JSON values. The act runs only
    while that state is the one it was proposed on. `measure` returns the figures that limits apply to, by the names
    of `APPROVAL_LIMITS`. `run` carries the act out in the caller's transaction, as its proposer's.

    `check` raises what would refuse the act. Without it, the act is carried out and taken back before it is proposed.
    `by_approver` makes the act the approver's own, as the approval of a draft is.
    """

    name: str
    describe: Callable[[Arguments, Any], str]
    lock_state: Callable[[Arguments], Any]
    differences: Callable[[Arguments, Any], Sequence[Difference]]
    measure: Callable[[Arguments, Any], Mapping[str, int]]
    run: Callable[[Arguments, str, Actor], Result]
    subject: Callable[[Arguments], tuple[str, str]] = lambda arguments: ("", "")
    check: Callable[[Arguments, str, Actor], None] | None = None
    by_approver: bool = False


@cache
def kinds() -> dict[str, Kind]:
    """Returns all kinds by name."""
    found = [import_string(path) for app in apps.get_app_configs() for path in getattr(app, "proposal_kinds", ())]
    return {kind.name: kind for kind in found}
