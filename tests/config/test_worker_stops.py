"""SIGTERM ends the worker at every moment of its start."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from procrastinate import App
from procrastinate.contrib.django import app

from config import worker

pytestmark = pytest.mark.django_db(transaction=True)

STARTS = 40
START_SECONDS, STOP_SECONDS = 0.3, 10


@contextmanager
def connected_app() -> Iterator[App]:
    with app.replace_connector(worker.create_worker_connector()) as connected:
        yield connected


async def start_and_stop(connected: App, *, after: float) -> None:
    async with connected.open_async():
        stop = asyncio.Event()
        running = asyncio.ensure_future(worker.run_queues(connected, {"install_signal_handlers": False}, stop))
        await asyncio.sleep(after)
        stop.set()
        await asyncio.wait_for(running, STOP_SECONDS)


def test_a_worker_stops_at_any_moment_of_its_start() -> None:
    for number in range(STARTS):
        with connected_app() as connected:
            asyncio.run(start_and_stop(connected, after=START_SECONDS * number / STARTS))


def test_a_worker_stops_although_a_cancellation_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    lost: list[bool] = []

    async def lose_one(_: App) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append(True)

    monkeypatch.setattr(worker, "add_periodic_jobs", lose_one)
    with connected_app() as connected:
        asyncio.run(start_and_stop(connected, after=START_SECONDS))
    assert lost == [True]
