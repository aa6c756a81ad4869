"""The table of endpoints: method and path, the parameters accepted, and the function that does it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from config.devtools.stripe_sandbox.parameters import Accepted
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World

Run = Callable[..., Object]


@dataclass(frozen=True)
class Endpoint:
    """One method of one path; `run` gets the world and what the path names."""

    method: str
    path: re.Pattern[str]
    accepted: Accepted
    run: Run


_ENDPOINTS: list[Endpoint] = []


def endpoint(method: str, path: str, accepted: Accepted) -> Callable[[Run], Run]:
    """Enter the function below into the table."""

    def enter(run: Run) -> Run:
        pattern = re.compile(re.sub(r"\{\w+\}", "([^/]+)", path))
        _ENDPOINTS.append(Endpoint(method, pattern, accepted, run))
        return run

    return enter


def find(method: str, path: str) -> tuple[Endpoint, tuple[str, ...]] | None:
    """The endpoint, and what its path names."""
    for each in _ENDPOINTS:
        match = each.path.fullmatch(path)
        if match and each.method == method:
            return each, match.groups()
    return None


def answer(world: World, found: Endpoint, names: tuple[str, ...]) -> Object:
    """Do it."""
    return found.run(world, *names)
