"""Production refuses to start with a weak secret, a host that is any host, or a secret's way without encryption."""

from collections.abc import Callable

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.parts.environment import Environment
from tests.config.test_settings import COMPLETE, read, refusal

STRONG = "Zb3-kQ9x_Lw7RtYv2MnPc5Hd8Fg1Js4A"
INCOMPLETE = "The environment is not complete: "


def test_production_names_weak_secrets_any_host_and_a_plain_jwks_address_all_at_once() -> None:
    weak = {"SECRET_KEY": "x", "JWT_SECRET": "x", "ALLOWED_HOSTS": "*", "JWT_JWKS_URL": "http://id.example.om/certs"}
    assert refusal(COMPLETE | weak) == (
        f"{INCOMPLETE}SECRET_KEY must have at least 32 characters; JWT_SECRET must have at least 32 characters;"
        " JWT_JWKS_URL must be https:// in production; ALLOWED_HOSTS must name the hosts: * accepts every host."
    )


@pytest.mark.parametrize("read_secret", [Environment.secret, Environment.secrets])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (STRONG[:31], "must have at least 32 characters"),
        ("x" * 64, "is a placeholder: use random characters"),
        ("abcabc" * 10, "is a placeholder: use random characters"),
        ("change-me-change-me-change-me-1234567890", "is a placeholder: use random characters"),
        ("CHANGEME" * 8, "is a placeholder: use random characters"),
        ("django-insecure-0123456789abcdefghijklmnopqrst", "is a placeholder: use random characters"),
        ("<50 random characters that are kept secret>", "is a placeholder: use random characters"),
        ("your-secret-key-of-fifty-random-characters-here", "is a placeholder: use random characters"),
        ("replace_this_with_a_long_random_value_123456789", "is a placeholder: use random characters"),
        ("$(openssl rand -base64 48 | tr -d '\\n=+/;:.')", "is a placeholder: use random characters"),
    ],
)
def test_production_refuses_a_weak_secret_without_repeating_it(
    read_secret: Callable[[Environment, str], object], value: str, problem: str
) -> None:
    environment = Environment({"SOME_SECRET": value})
    read_secret(environment, "SOME_SECRET")
    with pytest.raises(ImproperlyConfigured) as refused:
        environment.refuse_problems()
    assert str(refused.value) == f"{INCOMPLETE}SOME_SECRET {problem}."


@pytest.mark.parametrize("value", [STRONG, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
def test_production_accepts_random_secrets(value: str) -> None:
    environment = Environment({"SOME_SECRET": value})
    assert environment.secret("SOME_SECRET") == value
    environment.refuse_problems()


def test_production_reads_every_secret_strictly() -> None:
    weak = dict.fromkeys(("SECRET_KEY", "JWT_SECRET", "SECRET_KEY_FALLBACKS"), "CHANGEME" * 8)
    assert (
        refusal(COMPLETE | weak)
        == INCOMPLETE
        + "; ".join(
            f"{name} is a placeholder: use random characters"
            for name in ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "JWT_SECRET")
        )
        + "."
    )


def test_development_accepts_any_secret() -> None:
    assert read("SECRET_KEY JWT_SECRET ALLOWED_HOSTS", {"DEBUG": "1", "SECRET_KEY": "x", "JWT_SECRET": "x"}) == [
        "x",
        "x",
        ["localhost", ".localhost", "127.0.0.1", "[::1]"],
    ]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ALLOWED_HOSTS", "shop.example.om, *", "ALLOWED_HOSTS must name the hosts: * accepts every host"),
        ("ALLOWED_HOSTS", "*.example.om", "ALLOWED_HOSTS must be hosts such as shop.example.om, or .example.om"),
        (
            "ALLOWED_HOSTS",
            "https://a.example.om",
            "ALLOWED_HOSTS must be hosts such as shop.example.om, or .example.om",
        ),
        ("TRUSTED_PROXIES", "0.0.0.0/0", "TRUSTED_PROXIES must name the gateway's networks: /0 trusts every client"),
        ("TRUSTED_PROXIES", "::/0", "TRUSTED_PROXIES must name the gateway's networks: /0 trusts every client"),
        (
            "CSRF_TRUSTED_ORIGINS",
            "http://a.example.om",
            "CSRF_TRUSTED_ORIGINS must be https:// origins in production",
        ),
        ("CSRF_TRUSTED_ORIGINS", "https://*", "CSRF_TRUSTED_ORIGINS must be https:// origins in production"),
        (
            "EMAIL_URL",
            "smtp://post:hunter2@mail.example.om:587",
            "EMAIL_URL must be smtp+tls:// or smtp+ssl:// in production where it has a password",
        ),
    ],
)
def test_production_refuses_what_trusts_everyone_or_sends_a_secret_in_the_clear(
    name: str, value: str, problem: str
) -> None:
    assert refusal(COMPLETE | {name: value}) == f"{INCOMPLETE}{problem}."


@pytest.mark.parametrize(
    "variables",
    [
        {
            "JWT_JWKS_URL": "http://127.0.0.1:8080/certs",
            "EMAIL_URL": "smtp://post:hunter2@localhost:25",
            "ALLOWED_HOSTS": "192.0.2.7, [2001:db8::1], localhost, .example.om",
            "CSRF_TRUSTED_ORIGINS": "https://*.example.om, https://a.example.om:8443",
        },
        {"EMAIL_URL": "smtp+tls://post:hunter2@mail.example.om:587"},
        {"EMAIL_URL": "smtp://relay.example.om:25"},
    ],
)
def test_production_accepts_a_way_that_no_network_sees(variables: dict[str, str]) -> None:
    assert read("PRODUCTION", COMPLETE | variables) == [True]
