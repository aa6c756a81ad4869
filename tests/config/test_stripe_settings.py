"""Stripe's part of the environment; each case is a process of its own."""

import pytest

from tests.config.test_settings import COMPLETE, read, refusal

DEVELOPMENT = {"DEBUG": "1"}


def test_by_default_the_api_is_stripes_and_no_key_is_set() -> None:
    names = "STRIPE_API_BASE INITIAL_STRIPE_SECRET_KEY INITIAL_STRIPE_WEBHOOK_SECRET INITIAL_STRIPE_PUBLIC_KEY"
    assert read(names, COMPLETE) == ["https://api.stripe.com", "", "", ""]


def test_the_environments_keys_are_initial_values() -> None:
    names = "INITIAL_STRIPE_SECRET_KEY INITIAL_STRIPE_WEBHOOK_SECRET INITIAL_STRIPE_PUBLIC_KEY"
    given = {"STRIPE_SECRET_KEY": "rk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_2", "STRIPE_PUBLIC_KEY": "pk_live_3"}
    assert read(names, COMPLETE | given) == ["rk_live_1", "whsec_2", "pk_live_3"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_SECRET_KEY", "pk_live_hunter2"),
        ("STRIPE_SECRET_KEY", "whsec_hunter2"),
        ("STRIPE_SECRET_KEY", "sk_live_hunter2 hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "sk_live_hunter2"),
        ("STRIPE_PUBLIC_KEY", "sk_live_hunter2"),
        ("STRIPE_PUBLIC_KEY", "whsec_hunter2"),
    ],
)
def test_swapped_keys_are_refused_and_not_repeated(name: str, value: str) -> None:
    assert refusal(COMPLETE | {name: value}) == f"The environment is not complete: {name} is malformed."


def test_production_sends_no_key_in_the_clear() -> None:
    sentence = "The environment is not complete: STRIPE_API_BASE must be https:// in production."
    assert refusal(COMPLETE | {"STRIPE_API_BASE": "http://stripe.example"}) == sentence
    assert read("STRIPE_API_BASE", DEVELOPMENT | {"STRIPE_API_BASE": "http://stripe.example/"}) == [
        "http://stripe.example"
    ]


@pytest.mark.parametrize("url", ["stripe.example", "ftp://stripe.example", "https://key@stripe.example", "https://"])
def test_an_invalid_address_is_refused(url: str) -> None:
    assert "STRIPE_API_BASE is malformed" in refusal(COMPLETE | {"STRIPE_API_BASE": url})


def test_former_secret_keys_are_a_list() -> None:
    one, two = "Former1-" * 5, "Former2-" * 5
    assert read("SECRET_KEY_FALLBACKS", COMPLETE | {"SECRET_KEY_FALLBACKS": f"{one}, {two}"}) == [[one, two]]
