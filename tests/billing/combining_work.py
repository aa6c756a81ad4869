"""Work for a combiner, which notes what is done and how."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock
from time import sleep

import pytest
from billing.combining import Combiner

from billing import combining

PATIENCE_SECONDS = 30
KIND = "kind"
# As a statement does, work leaves the interpreter to the others for so long.
WORK_SECONDS = 0.000_2


Asked = dict[str, Future[str | None]]


class Work:
    """What a combiner does, noted; `first` stands at a gate until it is opened."""

    def __init__(self) -> None:
        self.alone: list[str] = []
        self.together: list[list[str]] = []
        self.failure: BaseException | None = None
        self.unserved: set[str] = set()
        self.gates: dict[str, Event] = {}
        self.combiner = Combiner(alone=self._do_alone, together=self._do_together)

    @property
    def done(self) -> Counter[str]:
        """How often each was done."""
        return Counter(self.alone) + Counter(each for batch in self.together for each in batch)

    def waiting(self, kind: str = KIND) -> int:
        known = self.combiner._kinds.get(kind)
        return -1 if known is None else len(known.waiting)

    def do(self, kind: str, asked: str) -> str | None:
        return self.combiner.do(kind, asked, str)

    def _do_alone(self, asked: str) -> str | None:
        self.alone.append(asked)
        self._stand(asked)
        if asked.startswith("fails"):
            raise LookupError(asked)
        return None if asked in self.unserved else f"{asked} alone"

    def _do_together(self, asked: Sequence[str]) -> list[str | None]:
        self.together.append(list(asked))
        self._stand(asked[0])
        if self.failure is not None:
            raise self.failure
        return [None if each in self.unserved else f"{each} together" for each in asked]

    def _stand(self, asked: str) -> None:
        sleep(WORK_SECONDS)
        if asked in self.gates:
            assert self.gates[asked].wait(PATIENCE_SECONDS)


@contextmanager
def at_once(number: int, patch: pytest.MonkeyPatch) -> Iterator[Work]:
    """So many statements at a time; nobody loses patience, and in the end nobody is waited for any more."""
    patch.setattr(combining, "PATIENCE_SECONDS", PATIENCE_SECONDS)
    patch.setattr(combining, "AT_ONCE", number)
    work = Work()
    yield work
    assert work.combiner._kinds == {}
    assert not work.combiner._lock.locked()


def names(number: int) -> list[str]:
    return [f"other-{place:02}" for place in range(number)]


def told(futures: Asked) -> dict[str, str | None]:
    return {each: future.result(PATIENCE_SECONDS) for each, future in futures.items()}


def ask_many(work: Work, *, threads: int, rounds: int) -> dict[str, str | None]:
    """Every thread asks one thing after the other; what each was told."""
    outcomes: dict[str, str | None] = {}
    guard = Lock()

    def ask(number: int) -> None:
        for turn in range(rounds):
            asked = f"{number}-{turn}"
            outcome = work.do(f"kind-{turn % 2}", asked)
            with guard:
                outcomes[asked] = outcome

    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(ask, number) for number in range(threads)]:
            future.result(PATIENCE_SECONDS)
    assert len(outcomes) == threads * rounds
    return outcomes
