"""Without their settings, neither traces nor error reports cost anything."""

from tests.config.test_settings import COMPLETE, refusal, run

LOADED = (
    "import sys, django; django.setup(); import config.wsgi, config.worker;"
    "print([name for name in ('opentelemetry', 'sentry_sdk', 'config.telemetry') if name in sys.modules])"
)


def test_nothing_is_imported_while_both_are_off() -> None:
    done = run(LOADED, COMPLETE)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_a_malformed_address_prevents_the_start() -> None:
    sentence = refusal(COMPLETE | {"TRACES_URL": "collector:4318", "SENTRY_DSN": "https://sentry.example/1"})
    assert sentence == "The environment is not complete: TRACES_URL is malformed; SENTRY_DSN is malformed."
    refused = refusal(COMPLETE | {"SENTRY_DSN": "http://key@sentry.example/1"})
    assert refused == "The environment is not complete: SENTRY_DSN must be https:// in production."
