"""A short form of tests/payments/test_foreign_shapes.py: some shapes of Stripe's events and answers."""

import random

import pytest

from config.devtools.stripe_sandbox.protocol.shapes import Draw
from tests.payments.conftest import sandbox, stripe
from tests.payments.foreign_shapes import mirror_all, play, play_unheard
from tests.payments.stripe_server import Stripe

__all__ = ["sandbox", "stripe"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("pick", ["the first of each choice", "the last of each choice", 3, 4])
def test_events_and_answers_of_these_shapes_are_settled(stripe: Stripe, pick: int | str) -> None:
    chooser = random.Random(pick)
    at = {"the first of each choice": 0, "the last of each choice": -1}.get(str(pick))
    draw = Draw(lambda choices: choices[at] if at is not None else chooser.choice(choices))
    play(stripe, draw, random.Random(pick), seed=chooser.randrange(10_000), twice=True)


def test_without_any_event_answers_of_these_shapes_settle_everything(stripe: Stripe) -> None:
    play_unheard(stripe, seed=1)


def test_objects_of_these_shapes_are_mirrored(stripe: Stripe) -> None:
    mirror_all(stripe, Draw(random.Random(2).choice), seed=2)
