"""Keys made here: as RFC 9562 says, never twice, and each process its own."""

import time
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from uuid import RFC_4122, UUID

from billing.models import keys
from billing.models.keys import uuid7


def _send_keys(queue: "SimpleQueue[list[UUID]]") -> None:
    queue.put([uuid7() for _ in range(20)])


def test_a_key_is_of_version_7_and_of_its_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    key = uuid7()
    after = time.time_ns() // 1_000_000
    assert (key.version, key.variant) == (7, RFC_4122)
    assert before <= key.int >> 80 <= after


def test_no_key_comes_twice_however_many_are_made() -> None:
    number = 3 * keys._STOCK + 1
    assert len({uuid7() for _ in range(number)}) == number
    # The random bits alone: those of one millisecond differ by nothing else.
    assert len({uuid7().int & (1 << 62) - 1 for _ in range(number)}) == number


def test_a_forked_process_has_random_bits_of_its_own() -> None:
    uuid7()
    assert keys._randoms, "nothing in stock that a child could share"
    queue: SimpleQueue[list[UUID]] = get_context("fork").SimpleQueue()
    children = [get_context("fork").Process(target=_send_keys, args=(queue,)) for _ in range(2)]
    for child in children:
        child.start()
    made = [queue.get() for _ in children]
    for child in children:
        child.join()
    ours = [uuid7() for _ in range(20)]
    bits = [key.int & (1 << 62) - 1 for key in [*made[0], *made[1], *ours]]
    assert len(set(bits)) == len(bits)
