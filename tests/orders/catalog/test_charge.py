"""The nearest amounts that Stripe can charge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.currencies import CURRENCIES
from orders.models.charge import nearest_charges, split_total


@pytest.mark.parametrize(
    ("amount", "nearest"),
    [
        (0, [0]),
        (1, [0, 200]),
        (199, [0, 200]),
        (200, [200]),
        (201, [200, 210]),
        (9_995, [9_990, 10_000]),
        (10_000, [10_000]),
        (99_999_990, [99_999_990]),
        (99_999_991, [99_999_990]),
        (10**12, [99_999_990]),
    ],
)
def test_in_omr_amounts_end_in_zero_and_have_a_minimum_and_a_maximum(amount: int, nearest: list[int]) -> None:
    assert nearest_charges(amount, currency="OMR", minimum_minor=200) == nearest


def test_a_minimum_between_two_steps_counts_as_the_next_step() -> None:
    assert nearest_charges(204, currency="OMR", minimum_minor=205) == [0, 210]


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(0, 10**9), st.integers(0, 10**6))
def test_no_amount_that_can_be_charged_is_nearer(code: str, amount: int, minimum: int) -> None:
    step = CURRENCIES[code].charge_step
    largest = CURRENCIES[code].maximum_charge_minor // step * step
    nearest = nearest_charges(amount, currency=code, minimum_minor=minimum)
    assert all(each == 0 or (each % step == 0 and each >= minimum) for each in nearest)
    if amount > largest:
        assert nearest == [largest]
    elif amount % step == 0 and (amount >= minimum or amount == 0):
        assert nearest == [amount]
    else:
        below, above = nearest
        assert below < amount < above
        assert above - below == step or below == 0


@pytest.mark.parametrize(("total", "charged"), [(99_999_990, 99_999_990), (99_999_991, None), (100_000_000, None)])
def test_a_total_above_the_largest_charge_cannot_be_split(total: int, charged: int | None) -> None:
    split = split_total(total_minor=total, credit_minor=0, currency="OMR", minimum_minor=200)
    assert (split and split[1]) == charged
    assert split_total(total_minor=total, credit_minor=total - 99_999_990, currency="OMR", minimum_minor=200)
