"""The table of endpoints: method, path, accepted parameters, and the function to call."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from config.devtools.stripe_sandbox.protocol.parameters import Accepted
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World

Run = Callable[..., Object]


@dataclass(frozen=True)
class Endpoint:
    """One method of one path. `run` receives the world and the names in the path."""

    method: str
    path: re.Pattern[str]
    accepted: Accepted
    run: Run


_ENDPOINTS: list[Endpoint] = []


def endpoint(method: str, path: str, accepted: Accepted) -> Callable[[Run], Run]:
    """Register the decorated function as an endpoint."""

    def register(run: Run) -> Run:
        pattern = re.compile(re.sub(r"\{\w+\}", "([^/]+)", path))
        _ENDPOINTS.append(Endpoint(method, pattern, accepted, run))
        return run

    return register


def find(method: str, path: str) -> tuple[Endpoint, tuple[str, ...]] | None:
    """Find an endpoint, and the names in its path."""
    for each in _ENDPOINTS:
        match = each.path.fullmatch(path)
        if match and each.method == method:
            return each, match.groups()
    return None


def answer(world: World, found: Endpoint, names: tuple[str, ...]) -> Object:
    """Run the endpoint."""
    return found.run(world, *names)
