"""Threads that ask for the same kind of work at the same moment have it done together, by one of them.

Flat combining (Hendler, Incze, Shavit, Tzafrir: "Flat Combining and the Synchronization-Parallelism Tradeoff", SPAA
2010), for statements: what costs is the round trip, the commit and the contended row, and these many share. Who finds
nobody at work does his own as ever, and whoever comes meanwhile waits; then the first of these does the work of them
all, in one statement. So nobody waits for company, and alone everything is as if this were not here.

What is done together succeeds for those whom it names. Who is not named, and everybody where the server refused the
statement, is told nothing, goes his own way afterwards, and learns by that what stands against him. Only where it is
not known whether the server has committed nobody goes again.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

import psycopg
from django.db import OperationalError

Asked = TypeVar("Asked")
Told = TypeVar("Told")

# As many as one statement does together.
MOST = 32
# Who still waits for another's work after this long, and has not been taken along, goes his own way: the other may
# hang on a lock that is none of his business.
PATIENCE_SECONDS = 0.1


@dataclass(slots=True, eq=False)
class _Place(Generic[Asked, Told]):
    """Somebody who waits; `gate` opens once he is served, or has to serve `company`, himself among them."""

    asked: Asked
    gate: Lock = field(default_factory=Lock)
    taken: bool = False
    company: "list[_Place[Asked, Told]]" = field(default_factory=list)
    before: "list[_Place[Asked, Told]]" = field(default_factory=list)
    told: Told | None = None
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self.gate.acquire()


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
        # By kind, who waits while somebody is at work; no entry where nobody is.
        self._waiting: dict[Hashable, deque[_Place[Asked, Told]]] = {}

    def do(self, kind: Hashable, asked: Asked) -> Told | None:
        """Does what is asked, with others of the same kind where they ask meanwhile; None: go your own way.

        Not to be called inside a transaction, which would not have in it what others did.

        Raises: what `alone` raises; OperationalError where the connection was lost while it was done with others.
        """
        place = _Place[Asked, Told](asked)
        with self._lock:
            waiting = self._waiting.get(kind)
            if waiting is None:
                self._waiting[kind] = deque()
                place.company = [place]
            else:
                waiting.append(place)
        if place.company or (self._wait(kind, place) and place.company):
            self._serve(kind, place)
        if place.failure is not None:
            raise OperationalError("it is not known whether it was committed") from place.failure
        return place.told

    def _wait(self, kind: Hashable, place: _Place[Asked, Told]) -> bool:
        """Until he is served or has to serve; False where he leaves unserved."""
        if not place.gate.acquire(timeout=PATIENCE_SECONDS):
            with self._lock:
                if not place.taken:
                    self._waiting[kind].remove(place)
                    return False
            place.gate.acquire()
        return True

    def _serve(self, kind: Hashable, place: _Place[Asked, Told]) -> None:
        """Does the work of the company, of which this thread is the first; then it is the next one's turn."""
        company = place.company
        for each in place.before:
            each.gate.release()
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
            self._hand_over(kind, company)

    def _hand_over(self, kind: Hashable, served: list[_Place[Asked, Told]]) -> None:
        """Whoever is next opens the gates of those who were served, this thread's too, and sends his statement.

        Were they opened here, all of them would compute before he has sent it, one after the other (the interpreter
        lets one thread compute at a time), and the server would have nothing to do: measured, a sixth less is done.
        """
        with self._lock:
            waiting = self._waiting[kind]
            company = [waiting.popleft() for _ in range(min(MOST, len(waiting)))]
            for place in company:
                place.taken = True
            if not company:
                del self._waiting[kind]
        if not company:
            for place in served[1:]:
                place.gate.release()
            return
        company[0].company = company
        company[0].before = served
        company[0].gate.release()
        served[0].gate.acquire()


def _refused(error: BaseException) -> bool:
    """Whether the server said no, so that surely nothing was committed.

    Class 08 is a lost connection, 57P0x a server that ends: they may reach a client after the commit.
    """
    cause = error.__cause__
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    return state is not None and not state.startswith(("08", "57P"))
