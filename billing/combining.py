"""Threads that ask for the same kind of work at the same moment have it done together, by one of them.

Flat combining (Hendler, Incze, Shavit, Tzafrir: "Flat Combining and the Synchronization-Parallelism Tradeoff", SPAA
2010), for statements: what costs is the round trip, the commit and the contended row, and these many share. Who finds
nobody at work does his own as ever, and whoever comes meanwhile waits; then the first of these does the work of them
all, in one statement. So nobody waits for company, and alone everything is as if this were not here.

Where so many wait that they are a company already, they do not wait for the one at work: the last of them begins a
second statement beside the first, so that this process computes for one while the server does the other.

What is done together succeeds for those whom it names. Who is not named, and everybody where the server refused the
statement, is told nothing, goes his own way afterwards, and learns by that what stands against him. Only where it is
not known whether the server has committed nobody goes again.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Lock
from typing import Generic, TypeVar

import psycopg
from django.db import OperationalError

Asked = TypeVar("Asked")
Told = TypeVar("Told")
Made = TypeVar("Made")

# As many as one statement does together.
MOST = 32
# So many statements of a kind are under way at once, every one but the first of a company of so many at least.
# Measured with 32 threads in one process on two cores: a second one, a fifth more is done; small ones cost it again.
AT_ONCE = 2
ENOUGH = 10
# Who still waits for another's work after this long, and has not been taken along, goes his own way: the other may
# hang on a lock that is none of his business.
PATIENCE_SECONDS = 0.1


@dataclass(slots=True, eq=False)
class _Place(Generic[Asked, Told]):
    """Somebody who waits; `gate` opens once he is served, or has to serve `company`, himself among them.

    Once he has finished, he opens that of `then`, who was served with him.
    """

    asked: Asked
    gate: Lock = field(default_factory=Lock)
    taken: bool = False
    company: "list[_Place[Asked, Told]]" = field(default_factory=list)
    before: "_Place[Asked, Told] | None" = None
    then: "_Place[Asked, Told] | None" = None
    told: Told | None = None
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self.gate.acquire()


@dataclass(slots=True)
class _Kind(Generic[Asked, Told]):
    """Work of one kind that is under way: how many statements, and who waits."""

    under_way: int = 1
    waiting: deque[_Place[Asked, Told]] = field(default_factory=deque)

    def take(self) -> list[_Place[Asked, Told]]:
        """Those who are served next."""
        company = [self.waiting.popleft() for _ in range(min(MOST, len(self.waiting)))]
        for place in company:
            place.taken = True
        return company


class Combiner(Generic[Asked, Told]):
    """Work that is done alone or together.

    Args: alone: does one; together: does several in one transaction of its own, and tells for each what was done.
    Both say None for who should go his own way.
    """

    def __init__(
        self, *, alone: Callable[[Asked], Told | None], together: Callable[[Sequence[Asked]], Sequence[Told | None]]
    ) -> None:
        self._alone = alone
        self._together = together
        self._lock = Lock()
        # No entry where nobody is at work.
        self._kinds: dict[Hashable, _Kind[Asked, Told]] = {}

    def do(self, kind: Hashable, asked: Asked, finish: Callable[[Told], Made]) -> Made | None:
        """Does what is asked, with others of the same kind where they ask meanwhile; None: go your own way.

        Not to be called inside a transaction, which would not have in it what others did. `finish` makes of what was
        told what is returned, while the others who were served with this thread do not yet contend with it.

        Raises: what `alone` and `finish` raise; OperationalError where the connection was lost while it was done with
        others.
        """
        place: _Place[Asked, Told] = _Place(asked)
        with self._lock:
            known = self._kinds.get(kind)
            if known is None:
                self._kinds[kind] = _Kind()
                place.company = [place]
            else:
                known.waiting.append(place)
                # Exactly so many: more never wait for fewer statements. So this one is among those he takes.
                if len(known.waiting) == ENOUGH and known.under_way < AT_ONCE:
                    known.under_way += 1
                    place.company = known.take()
        try:
            if place.company or (self._wait(kind, place) and place.company):
                self._serve(kind, place)
            if place.failure is not None:
                raise OperationalError("it is not known whether it was committed") from place.failure
            return None if place.told is None else finish(place.told)
        finally:
            if place.then is not None:
                place.then.gate.release()

    def _wait(self, kind: Hashable, place: _Place[Asked, Told]) -> bool:
        """Until he is served or has to serve; False where he leaves unserved."""
        if not place.gate.acquire(timeout=PATIENCE_SECONDS):
            with self._lock:
                if not place.taken:
                    self._kinds[kind].waiting.remove(place)
                    return False
            place.gate.acquire()
        return True

    def _serve(self, kind: Hashable, place: _Place[Asked, Told]) -> None:
        """Does the work of the company, this thread's among it; then it is the next one's turn."""
        company = place.company
        if place.before is not None:
            place.before.gate.release()
        try:
            if len(company) == 1:
                place.told = self._alone(place.asked)
                return
            for each, told in zip(company, self._together([each.asked for each in company]), strict=True):
                each.told = told
        except BaseException as error:
            if len(company) == 1:
                raise
            if not _refused(error):
                for each in company:
                    each.failure = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._hand_over(kind, place)

    def _hand_over(self, kind: Hashable, place: _Place[Asked, Told]) -> None:
        """Whoever is next lets those pass who were served, this thread too, and sends his statement.

        They pass one after the other: each opens the next one's gate when he has finished. Were all opened at once,
        and here, they would compute before he has sent it (the interpreter lets one thread compute at a time), and
        the server would have nothing to do: measured, a quarter less is done.
        """
        served = [place, *(each for each in place.company if each is not place)]
        for each, then in pairwise(served):
            each.then = then
        with self._lock:
            known = self._kinds[kind]
            company = known.take() if known.under_way == 1 or len(known.waiting) >= ENOUGH else []
            if not company:
                known.under_way -= 1
                if not known.under_way:
                    del self._kinds[kind]
        if company:
            company[0].company = company
            company[0].before = place
            company[0].gate.release()
            place.gate.acquire()


def _refused(error: BaseException) -> bool:
    """Whether the server said no, so that surely nothing was committed.

    Class 08 is a lost connection, 57P0x a server that ends: they may reach a client after the commit.
    """
    cause = error.__cause__
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    return state is not None and not state.startswith(("08", "57P"))
