"""Stripe's events and answers in any documented shape, late, twice and out of order.

Webhook, jobs, sweeper and the nightly comparison read them. Nothing stays unsettled, no other customer's event waits
for one that fails, the books agree, and nothing is a 500.
"""

import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from config.devtools.stripe_sandbox.protocol.shapes import Draw
from tests.database import restore_pristine
from tests.factories import forget_prices
from tests.payments.foreign_shapes import play, play_unheard
from tests.payments.stripe_server import Stripe

pytestmark = pytest.mark.django_db(transaction=True)


@settings(
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    # An example takes seconds, so a failing one is shown as it is.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), seed=st.integers(0, 10_000), shuffle=st.randoms(use_true_random=False), twice=st.booleans())
def test_events_in_any_shape_and_order_are_settled(
    stripe: Stripe, data: st.DataObject, seed: int, shuffle: random.Random, twice: bool
) -> None:
    restore_pristine()
    forget_prices()
    stripe.reset()
    play(stripe, Draw(lambda choices: data.draw(st.sampled_from(choices))), shuffle, seed=seed, twice=twice)


@pytest.mark.parametrize("seed", range(6))
def test_without_any_event_the_sweeper_and_the_comparison_settle_everything(stripe: Stripe, seed: int) -> None:
    play_unheard(stripe, seed=seed)
