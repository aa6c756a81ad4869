"""The real worker, in the test's process: it runs every job that is due, and ends."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections
from procrastinate.contrib.django import app

from config.worker import QUEUES


def run_worker(*queues: str) -> None:
    """Run all due jobs of these queues, by default of every queue, as `manage.py procrastinate worker` runs them."""
    options: dict[str, Any] = {"install_signal_handlers": False, "listen_notify": False}
    with app.replace_connector(app.connector.get_worker_connector()):  # type: ignore[attr-defined]
        app.run_worker(
            queues=list(queues) or [queue.name for queue in QUEUES], wait=False, delete_jobs="never", **options
        )


def run_worker_beside_browser() -> None:
    """Run the worker in a thread of its own, because the browser's event loop runs in the test's."""

    def work() -> None:
        run_worker()
        connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(work).result()
