"""One table says what Stripe accepts in each currency, and a deployment has a safe minimum charge by default."""

import re
import subprocess

import pytest

from billing.currencies import CURRENCIES
from billing.money import exponent, to_minor
from orders.models.charge import charge_step, split_total
from tests.config.test_settings import COMPLETE, PROJECT, read, refusal


@pytest.mark.parametrize(
    ("currency", "decimals", "step"),
    [
        ("OMR", 3, 10),
        ("KWD", 3, 10),
        ("USD", 2, 1),
        ("JPY", 0, 1),
        ("MGA", 0, 1),
        ("ISK", 2, 100),
        ("UGX", 2, 100),
        ("HUF", 2, 1),
        ("TWD", 2, 1),
    ],
)
def test_amounts_are_in_the_units_of_stripes_api(currency: str, decimals: int, step: int) -> None:
    assert (exponent(currency), charge_step(currency)) == (decimals, step)


def test_five_isk_are_the_500_that_stripe_documents() -> None:
    assert to_minor(5, currency="ISK") == 500
    split = split_total(total_minor=100_000, credit_minor=12_345, currency="ISK", minimum_minor=7_500)
    assert split == (12_300, 87_700)


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_every_default_minimum_can_be_charged(currency: str) -> None:
    known = CURRENCIES[currency]
    assert known.minimum_charge_minor > 0
    assert known.minimum_charge_minor % known.charge_step == 0


def test_production_charges_at_least_the_minimum_without_being_told() -> None:
    (minimum,) = read("STRIPE_MINIMUM_CHARGE_MINOR", COMPLETE)
    assert minimum == 200
    assert split_total(total_minor=5_000, credit_minor=4_970, currency="OMR", minimum_minor=minimum) == (4_800, 200)


def test_each_currency_has_its_minimum_and_the_variable_replaces_it() -> None:
    assert read("STRIPE_MINIMUM_CHARGE_MINOR", COMPLETE | {"SOVEREIGN_CURRENCY": "HUF"}) == [17_500]
    assert read("STRIPE_MINIMUM_CHARGE_MINOR", COMPLETE | {"STRIPE_MINIMUM_CHARGE_MINOR": "350"}) == [350]


@pytest.mark.parametrize("currency", ["XYZ", "IQD"])
def test_a_currency_that_stripe_does_not_charge_is_refused_at_the_start(currency: str) -> None:
    sentence = "The environment is not complete: SOVEREIGN_CURRENCY must be a currency in which Stripe charges."
    assert refusal(COMPLETE | {"SOVEREIGN_CURRENCY": currency}) == sentence


def test_no_other_file_lists_currencies() -> None:
    """The sandbox has a list of its own on purpose: it must not share the mistakes of what it checks."""
    found = subprocess.run(
        [
            "git",
            "grep",
            "-lE",
            "['\"](BHD|ISK|UGX|KWD)['\"]",
            "--",
            "billing",
            "orders",
            "promos",
            "config",
            "templates",
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [path for path in found.stdout.split() if not re.search("^config/devtools/|/migrations/", path)] == [
        "billing/currencies.py"
    ]
