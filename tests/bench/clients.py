"""Clients that call a use case in-process: threads, each with a connection of its own, in one process or a few.

They share the machine with the server, as web workers do. As theirs, the threads and their connections last: what a
session plans when it is new is no part of what is measured.
"""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from threading import Barrier
from typing import Any, Self

from django.db import connection

PROCESSES = 2
MOST_CLIENTS = 64

# Calls the use case once: the client's number, from 0, and its turn, from 0. True where it did what was asked.
Act = Callable[[int, int], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The result of a run: how many calls succeeded and were refused, and their times in seconds, sorted."""

    done: int
    refused: int
    seconds: float
    cpu_seconds: float
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return self.done / self.seconds

    def latency(self, share: float) -> float:
        """The time within which this share of the calls was answered, in milliseconds."""
        return 1000 * self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)]


class Crew:
    """Processes that stand ready, so that starting them is not measured."""

    def __init__(self, processes: int = PROCESSES) -> None:
        context = multiprocessing.get_context("spawn")
        self._members: list[tuple[Any, Pipe]] = []
        for _ in range(processes):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(dict(os.environ), _database(), there), daemon=True)
            process.start()
            self._members.append((process, here))
        for _, pipe in self._members:
            pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process, pipe in self._members:
            pipe.send(None)
            process.join(30)
            process.kill()

    def run(self, act: Act, *, clients: int, seconds: float) -> Run:
        """So many clients call as fast as they are answered, until the time is over."""
        used = self._members[: min(clients, len(self._members))]
        numbers = [list(range(member, clients, len(used))) for member in range(len(used))]
        for (_, pipe), mine in zip(used, numbers, strict=True):
            pipe.send((act, mine, seconds))
        for _, pipe in used:
            pipe.recv()
        for _, pipe in used:
            pipe.send("go")
        told = [pipe.recv() for _, pipe in used]
        failed = [each for each in told if isinstance(each, BaseException)]
        if failed:
            raise failed[0]
        return Run(
            done=sum(each.done for each in told),
            refused=sum(each.refused for each in told),
            seconds=max(each.seconds for each in told),
            cpu_seconds=sum(each.cpu_seconds for each in told),
            latencies=sorted(latency for each in told for latency in each.latencies),
        )


def _database() -> str:
    return str(connection.settings_dict["NAME"])


def _serve(environment: dict[str, str], database: str, parent: Pipe) -> None:
    from tests.bench.cluster import set_up  # noqa: PLC0415 - a process of its own, which begins here

    os.environ.update(environment)
    set_up()
    from tests.database import use_database  # noqa: PLC0415

    use_database(database)
    parent.send("ready")
    with ThreadPoolExecutor(MOST_CLIENTS) as threads:
        while (asked := parent.recv()) is not None:
            act, numbers, seconds = asked
            parent.send("ready")
            parent.recv()
            try:
                parent.send(_run(threads, act, numbers, seconds))
            except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
                parent.send(RuntimeError(f"{type(error).__name__}: {error}"))


def _run(threads: ThreadPoolExecutor, act: Act, numbers: list[int], seconds: float) -> Run:
    barrier = Barrier(len(numbers) + 1)
    results: list[tuple[int, int, list[float]]] = []
    errors: list[Exception] = []

    def client(number: int) -> None:
        done = refused = 0
        latencies: list[float] = []
        try:
            connection.ensure_connection()
            barrier.wait()
            until = time.monotonic() + seconds
            began = time.monotonic()
            while began < until:
                if act(number, done + refused):
                    done += 1
                else:
                    refused += 1
                ended = time.monotonic()
                latencies.append(ended - began)
                began = ended
        except Exception as error:  # noqa: BLE001 - raised by the caller
            errors.append(error)
            barrier.abort()
        finally:
            results.append((done, refused, latencies))

    clients = [threads.submit(client, number) for number in numbers]
    barrier.wait()
    began, before = time.monotonic(), _cpu_seconds()
    for each in clients:
        each.result()
    if errors:
        raise errors[0]
    return Run(
        done=sum(each[0] for each in results),
        refused=sum(each[1] for each in results),
        seconds=time.monotonic() - began,
        cpu_seconds=_cpu_seconds() - before,
        latencies=[latency for each in results for latency in each[2]],
    )


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
