"""The message broker: NATS JetStream, which keeps each event until its consumers have read it.

Its client is asynchronous and this service is not, so a `Broker` runs the client's event loop while it is called.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import nats
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js.api import ConsumerConfig
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NotFoundError

# The stream that is made where no stream of the broker keeps our topics.
STREAM = "sme"
STREAM_SUBJECTS = "sme.>"
# The consumer of this service, one for each topic, and where it sets events aside.
CONSUMER = "qasima"
DEAD_TOPIC = "sme.dead.qasima"
# An event that is not acknowledged for this long is delivered again.
ACKNOWLEDGE_SECONDS = 60
# How long a fetch waits for an event.
FETCH_SECONDS = 0.5
# How long one call to the broker may take.
TIMEOUT_SECONDS = 5
_BAD_REQUEST = 400
# Bad requests that say nothing of the message: the account's storage, or the number of its streams, is used up.
_ACCOUNT_FULL = 10002

T = TypeVar("T")


class BrokerUnavailable(Exception):
    """The broker cannot be reached, or does not answer. Nothing is known of what was sent to it last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message to publish. The broker stores a message once, however often its id is sent within its window."""

    id: UUID
    topic: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message that the broker keeps for this service, until it is acknowledged."""

    topic: str
    body: bytes
    deliveries: int
    message: Msg

    @property
    def key(self) -> str:
        """The message's name: its place in the stream, and when the stream stored it."""
        stored = self.message.metadata
        return f"{self.topic}-{stored.sequence.stream}-{int(stored.timestamp.timestamp())}"


class Broker:
    """A connection to the broker, for the length of a `with` block."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._runner = asyncio.Runner()
        self._known_topics: set[str] = set()
        self._consumers: dict[str, JetStreamContext.PullSubscription] = {}

    def __enter__(self) -> Self:
        """Connects. Raises: BrokerUnavailable."""
        try:
            self._client = self._run(
                nats.connect(
                    self._url,
                    connect_timeout=TIMEOUT_SECONDS,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0.1,
                    error_cb=_ignore,
                )
            )
        except BrokerUnavailable:
            self._runner.close()
            raise
        self._jetstream = self._client.jetstream(timeout=TIMEOUT_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run(self._client.close())
        except BrokerUnavailable:
            pass
        finally:
            self._runner.close()

    def publish(self, messages: Sequence[Message]) -> dict[UUID, str]:
        """Publishes all messages at once, and returns when each is stored or refused.

        Returns the broker's reason for each message that it refuses for what it is, such as its size.
        Raises: BrokerUnavailable where at least one message has no answer; some may be stored.
        """
        return self._run(self._publish(messages))

    def fetch(self, *, topic: str, number: int) -> list[Received]:
        """Returns messages of the topic that wait for this service, at most `number`. Raises: BrokerUnavailable."""
        return self._run(self._fetch(topic, number))

    def acknowledge(self, received: Received) -> None:
        """Tells the broker not to deliver the message again. Raises: BrokerUnavailable."""
        self._run(received.message.ack_sync(timeout=TIMEOUT_SECONDS))

    def redeliver(self, received: Received, *, after_seconds: float) -> None:
        """Asks the broker to deliver the message again later. Raises: BrokerUnavailable."""
        self._run(received.message.nak(delay=after_seconds))

    def set_aside(self, received: Received, *, reason: str) -> None:
        """Keeps the message under DEAD_TOPIC, with the reason. Raises: BrokerUnavailable."""
        self._run(self._set_aside(received, reason))

    def wait(self, seconds: float) -> None:
        """Lets the connection live for a while. Raises: BrokerUnavailable if it ends."""
        self._run(asyncio.sleep(seconds))
        if not self._client.is_connected:
            raise BrokerUnavailable("the connection ended")

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(call)
        except (NatsError, OSError, TimeoutError) as error:
            raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error

    async def _fetch(self, topic: str, number: int) -> list[Received]:
        if topic not in self._consumers:
            await self._ensure_stream(topic)
            self._consumers[topic] = await self._jetstream.pull_subscribe(
                topic,
                durable=f"{CONSUMER}-{topic.replace('.', '-')}",
                config=ConsumerConfig(ack_wait=ACKNOWLEDGE_SECONDS),
            )
        try:
            messages = await self._consumers[topic].fetch(number, timeout=FETCH_SECONDS)
        except TimeoutError:
            if not self._client.is_connected:
                raise
            return []
        return [
            Received(topic=topic, body=each.data, deliveries=each.metadata.num_delivered or 1, message=each)
            for each in messages
        ]

    async def _set_aside(self, received: Received, reason: str) -> None:
        await self._ensure_stream(DEAD_TOPIC)
        # A header is one line of ASCII.
        sentence = " ".join(reason.encode("ascii", "replace").decode().split())
        headers = {
            "Qasima-Topic": received.topic,
            "Qasima-Reason": sentence,
            "Nats-Msg-Id": f"dead-{received.key}",
        }
        # A message that has no room for these headers is kept by the database alone.
        if not self._is_too_large(received.body, headers):
            await self._jetstream.publish(DEAD_TOPIC, received.body, headers=headers)
        await received.message.term()

    def _is_too_large(self, body: bytes, headers: dict[str, str]) -> bool:
        """Returns whether the broker would end the connection at this message.

        Its limit counts the headers too. The client compares only the body.
        """
        lines = ["NATS/1.0", *(f"{name}: {value}" for name, value in headers.items()), ""]
        return len("\r\n".join(lines).encode()) + 2 + len(body) > self._client.max_payload

    async def _publish(self, messages: Sequence[Message]) -> dict[UUID, str]:
        for topic in {message.topic for message in messages} - self._known_topics:
            await self._ensure_stream(topic)
        answers = await asyncio.gather(*(self._publish_one(message) for message in messages), return_exceptions=True)
        refused = {}
        for message, answer in zip(messages, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            if answer:
                refused[message.id] = answer
        return refused

    async def _publish_one(self, message: Message) -> str:
        """Returns the broker's reason if it refuses the message for what it is, else nothing."""
        headers = {"Nats-Msg-Id": str(message.id)}
        if self._is_too_large(message.body, headers):
            return str(MaxPayloadError())
        try:
            await self._jetstream.publish(message.topic, message.body, headers=headers)
        except APIError as error:
            if error.code != _BAD_REQUEST or error.err_code == _ACCOUNT_FULL:
                raise
            return error.description or str(error)
        return ""

    async def _ensure_stream(self, topic: str) -> None:
        """Makes a stream for the topic, unless the operator has made one."""
        try:
            await self._jetstream.find_stream_name_by_subject(topic)
        except NotFoundError:
            await self._jetstream.add_stream(name=STREAM, subjects=[STREAM_SUBJECTS])
        self._known_topics.add(topic)


async def _ignore(error: Exception) -> None:
    """Logs nothing: each call reports its own failure."""
