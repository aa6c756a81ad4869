"""A NATS server with JetStream, as a process on a free port of this machine."""

import asyncio
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.api import ConsumerConfig

PROGRAM = "/usr/sbin/nats-server"
READY_SECONDS = 20
READ_AT_ONCE = 500
# Longer than any reading of the stream, so that no message comes twice.
READ_SECONDS = 3600


@dataclass
class NatsServer:
    """The server. It keeps its messages in a folder, so a second start has them again."""

    folder: Path
    max_payload: int = 1024 * 1024
    storage: str = "1GB"
    port: int = 0
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when the server accepts connections."""
        config = self.folder / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:{self.port}"\nmax_payload: {self.max_payload}\n'
            f'jetstream: {{store_dir: "{self.folder}/store"}}\nno_auth_user: "service"\n'
            f"accounts: {{service: {{jetstream: {{max_disk: {self.storage}, max_memory: 1MB}},"
            f' users: [{{user: "service", password: "none"}}]}}}}\n'
        )
        program = shutil.which(PROGRAM) or pytest.fail(f"{PROGRAM} is missing: apt-get install nats-server")
        self._process = subprocess.Popen(
            [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        asyncio.run(self._wait_until_ready())

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def messages(self, subject: str = "sme.>") -> list[dict[str, Any]]:
        """Return what the stream has stored, in its order: each envelope, with its message id."""
        return asyncio.run(self._read(subject))

    def message_ids(self, subject: str = "sme.>") -> list[str]:
        """Return the message id of each message of the stream, also of a million: their bodies stay there."""
        return asyncio.run(self._read_ids(subject))

    async def _wait_until_ready(self) -> None:
        async def refuse(error: Exception) -> None:
            """Say nothing: the server is starting."""

        client = await nats.connect(
            self.url, reconnect_time_wait=0.05, max_reconnect_attempts=READY_SECONDS * 20, error_cb=refuse
        )
        await client.jetstream(timeout=READY_SECONDS).account_info()
        await client.close()

    async def _read(self, subject: str) -> list[dict[str, Any]]:
        client = await nats.connect(self.url)
        stream = client.jetstream()
        name = await stream.find_stream_name_by_subject(subject)
        info = await stream.stream_info(name)
        read = []
        for number in range(info.state.first_seq, info.state.last_seq + 1):
            message = await stream.get_msg(name, number)
            assert message.data is not None
            read.append({**json.loads(message.data), "Nats-Msg-Id": (message.headers or {}).get("Nats-Msg-Id")})
        await client.close()
        return read

    async def _read_ids(self, subject: str) -> list[str]:
        client = await nats.connect(self.url)
        stream = client.jetstream()
        name = await stream.find_stream_name_by_subject(subject)
        left = (await stream.stream_info(name)).state.messages
        reader = await stream.pull_subscribe(
            subject, config=ConsumerConfig(headers_only=True, max_ack_pending=-1, ack_wait=READ_SECONDS)
        )
        read: list[str] = []
        while len(read) < left:
            for message in await reader.fetch(min(READ_AT_ONCE, left - len(read)), timeout=READY_SECONDS):
                read.append((message.headers or {})["Nats-Msg-Id"])
        await client.close()
        return read


@contextmanager
def nats_server(folder: Path, **options: Any) -> Iterator[NatsServer]:
    """Run a server for the length of the block."""
    server = NatsServer(folder, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
