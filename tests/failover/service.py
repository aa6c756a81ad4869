"""The whole service on the cluster, with all features on, and faults of its own processes and of the broker."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

from tests.nats_server import NatsServer, nats_server
from tests.operations.live.processes import Installation, WebServer
from tests.operations.live.visitors import Visitors
from tests.operations.own_server import free_port
from tests.orders.webhooks.receiver import Receiver, receiver
from tests.stripe_sandbox.sandbox_process import SECRET_KEY, WEBHOOK_SECRET, SandboxProcess

from .faults import FAULTS, why_not_tried
from .gate import ADDRESS
from .nodes import Cluster

METRICS_TOKEN = "only-a-soak-reads-metrics-with-this-0123456789"
WORKERS = 2
# At most so many connections to PostgreSQL, as deploy/books/high-availability.md adds them up: PgBouncer's pool, each
# worker's, and those of Patroni, replication and operators.
MAX_OPEN = 20 + 16 * WORKERS + 10


@dataclass(kw_only=True)
class Service:
    """The running programs. The first web process and the first worker live from the start to the end."""

    cluster: Cluster
    direct: Installation
    web: WebServer
    worker: "subprocess.Popen[bytes]"
    second_worker: "subprocess.Popen[bytes]"
    start_worker: "Callable[[], subprocess.Popen[bytes]]"
    metrics_port: int
    broker: NatsServer
    subscriber: Receiver
    visitors: Visitors
    # What verifies the subscriber's requests, and the ids of the events that it got.
    secret: str = ""
    received: set[str] = field(default_factory=set)


@contextmanager
def service(cluster: Cluster, folder: Path) -> Iterator[Service]:
    """Starts everything around the cluster, and stops it at the end."""
    stripe_port, metrics_port = free_port(), free_port()
    (folder / "broker").mkdir()
    with ExitStack() as stack:
        broker = stack.enter_context(nats_server(folder / "broker", storage="16GB"))
        subscriber = stack.enter_context(receiver())
        # fmt: off
        settings = {
            "EVENTS_URL": broker.url, "WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8", "METRICS_TOKEN": METRICS_TOKEN,
            "STRIPE_API_BASE": f"http://{ADDRESS}:{stripe_port}", "STRIPE_SECRET_KEY": SECRET_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET, "WEB_CONCURRENCY": "2",
            "LEDGER_SIGNING_SECRET": "only-a-soak-signs-heads-with-this-0123456789",
            "CARD_CODE_SECRET": "only-a-soak-hashes-cards-with-this-0123456789",
        }
        # fmt: on
        direct = Installation(database_url=cluster.direct_url, settings=settings)
        pooled = replace(direct, database_url=cluster.pooled_url, settings={**settings, "DATABASE_POOLER": "1"})
        watched = replace(direct, settings={**settings, "METRICS_PORT": str(metrics_port)})
        direct.manage("migrate", "--verbosity=0")
        direct.manage("seed_catalog")
        web = stack.enter_context(pooled.web(folder / "web.log"))
        address = f"http://{ADDRESS}:{web.port}/api/billing/webhook"
        sandbox = SandboxProcess(port=stripe_port, state=folder / "stripe", webhook_url=address)
        stack.enter_context(sandbox)
        numbers = count(2)

        def start_worker() -> "subprocess.Popen[bytes]":
            return stack.enter_context(direct.worker(folder / f"worker-{next(numbers)}.log"))

        yield Service(
            cluster=cluster,
            direct=direct,
            web=web,
            worker=stack.enter_context(watched.worker(folder / "worker-1.log")),
            second_worker=start_worker(),
            start_worker=start_worker,
            metrics_port=metrics_port,
            broker=broker,
            subscriber=subscriber,
            visitors=Visitors(ports=[web.port], sandbox=sandbox),
        )


@contextmanager
def web_process_killed(running: Service) -> Iterator[None]:
    """The younger web process ends at once. The server starts another one."""
    running.visitors.may_break = True
    os.kill(running.web.processes()[-1], signal.SIGKILL)
    try:
        yield
    finally:
        running.visitors.may_break = False


@contextmanager
def worker_killed(running: Service) -> Iterator[None]:
    """The second worker ends at once, and is started at the end."""
    running.second_worker.kill()
    running.second_worker.wait()
    try:
        yield
    finally:
        running.second_worker = running.start_worker()


@contextmanager
def broker_stopped(running: Service) -> Iterator[None]:
    """Nothing can be published, and events wait in the database."""
    running.broker.stop()
    try:
        yield
    finally:
        running.broker.start()


Fault = Callable[[], AbstractContextManager[None]]


def faults_of(running: Service) -> dict[str, Fault]:
    """Returns the faults that this machine allows, each of which ends with its block."""

    def of_primary(name: str) -> AbstractContextManager[None]:
        return FAULTS[name](running.cluster.primary())

    primary = {
        name: partial(of_primary, name) for name in FAULTS if not why_not_tried(name, running.cluster.nodes[0])
    }
    own = {"web process killed": web_process_killed, "worker killed": worker_killed, "broker stopped": broker_stopped}
    return {**primary, **{name: partial(fault, running) for name, fault in own.items()}}
