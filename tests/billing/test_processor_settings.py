"""The card processor's keys are encrypted and read at every use; absent and empty values differ."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction

from billing.errors import InvalidProcessorKey, ProcessorSettingsUnreadable
from billing.models import AuditEntry, ProcessorSettings
from billing.use_cases.processor_settings import change_processor_keys, processor_keys
from tests.database import database_environment
from tests.factories import ADDRESS, actor
from tests.snapshot import nothing_changes, only_changes

SECRET = "sk_test_51Hello0000000001234"
WEBHOOK = "whsec_hello0000000005678"
PUBLIC = "pk_test_hello9012"
# Named by the refusal itself.
BARE_PREFIXES = ("sk_test_", "whsec_")

pytestmark = pytest.mark.django_db


def change(**keys: str) -> None:
    change_processor_keys(by=actor(), **keys)


def stored() -> dict[str, Any]:
    columns = ("encrypted_secret_key", "encrypted_webhook_secret", "public_key")
    return dict(ProcessorSettings.objects.values(*columns).get())


@pytest.fixture
def environment_keys(settings: Any) -> None:
    """The environment gives initial values."""
    settings.INITIAL_STRIPE_SECRET_KEY = "sk_test_from_environment"
    settings.INITIAL_STRIPE_WEBHOOK_SECRET = "whsec_from_environment"
    settings.INITIAL_STRIPE_PUBLIC_KEY = "pk_test_from_environment"


def test_without_any_key_none_is_configured() -> None:
    keys = processor_keys()
    assert (keys.secret_key, keys.webhook_secret, keys.public_key, keys.updated_at) == ("", "", "", None)


@pytest.mark.usefixtures("environment_keys")
def test_the_environment_gives_initial_values() -> None:
    keys = processor_keys()
    assert keys.secret_key == "sk_test_from_environment"
    assert keys.webhook_secret == "whsec_from_environment"
    assert keys.public_key == "pk_test_from_environment"


@pytest.mark.usefixtures("environment_keys")
def test_a_stored_key_is_used_and_an_absent_one_comes_from_the_environment() -> None:
    change(stripe_secret_key=SECRET)
    keys = processor_keys()
    assert (keys.secret_key, keys.webhook_secret) == (SECRET, "whsec_from_environment")
    assert stored()["encrypted_webhook_secret"] is None


@pytest.mark.usefixtures("environment_keys")
def test_an_empty_value_clears_even_a_key_of_the_environment() -> None:
    change(stripe_secret_key="", stripe_webhook_secret="", stripe_public_key="")
    keys = processor_keys()
    assert (keys.secret_key, keys.webhook_secret, keys.public_key) == ("", "", "")
    assert stored() == {"encrypted_secret_key": "", "encrypted_webhook_secret": "", "public_key": ""}


def test_an_absent_value_keeps_the_stored_key() -> None:
    change(stripe_secret_key=SECRET, stripe_webhook_secret=WEBHOOK, stripe_public_key=PUBLIC)
    change(stripe_public_key="pk_live_other")
    keys = processor_keys()
    assert (keys.secret_key, keys.webhook_secret, keys.public_key) == (SECRET, WEBHOOK, "pk_live_other")


def test_spaces_around_a_pasted_key_are_no_part_of_it() -> None:
    change(stripe_secret_key=f" {SECRET}\n")
    assert processor_keys().secret_key == SECRET


def test_reading_takes_one_query(django_assert_num_queries: Any) -> None:
    change(stripe_secret_key=SECRET, stripe_webhook_secret=WEBHOOK, stripe_public_key=PUBLIC)
    with django_assert_num_queries(1):
        processor_keys()


def test_secrets_are_encrypted_each_time_differently() -> None:
    change(stripe_secret_key=SECRET, stripe_webhook_secret=WEBHOOK, stripe_public_key=PUBLIC)
    first = stored()
    change(stripe_secret_key=SECRET, stripe_webhook_secret=WEBHOOK)
    second = stored()
    for column in ("encrypted_secret_key", "encrypted_webhook_secret"):
        assert first[column] != second[column]
        assert "hello" not in first[column].lower()
    assert first["public_key"] == PUBLIC


def test_printing_keys_shows_none() -> None:
    change(stripe_secret_key=SECRET, stripe_webhook_secret=WEBHOOK, stripe_public_key=PUBLIC)
    assert repr(processor_keys()) == "ProcessorKeys(secret_key, webhook_secret, public_key)"
    assert f"{processor_keys()}" == repr(processor_keys())


def test_a_change_is_audited_with_names_and_the_last_four_only() -> None:
    change(stripe_secret_key=SECRET)
    change(stripe_secret_key="rk_live_another7777", stripe_webhook_secret="", stripe_public_key=PUBLIC)
    entry = AuditEntry.objects.latest("created_at")
    assert entry.action == "processor_settings.changed"
    assert entry.changes == {
        "stripe_secret_key": ["1234", "7777"],
        "stripe_webhook_secret": ["", ""],
        "stripe_public_key": ["", "9012"],
    }
    assert (entry.actor_id, entry.actor_role, entry.address) == ("superadmin", "superadmin", ADDRESS)
    assert AuditEntry.objects.count() == 2


def test_changing_nothing_is_not_audited_and_keeps_the_time_of_the_last_change() -> None:
    change(stripe_secret_key=SECRET)
    before = processor_keys().updated_at
    change()
    assert AuditEntry.objects.count() == 1
    assert processor_keys().updated_at == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stripe_secret_key", "pk_test_public"),
        ("stripe_secret_key", "whsec_webhook"),
        ("stripe_secret_key", "sk_test_"),
        ("stripe_secret_key", "sk_test_with space"),
        ("stripe_secret_key", "sk_test_with\nline"),
        ("stripe_secret_key", "sk_test_с"),  # noqa: RUF001 - a Cyrillic letter
        ("stripe_secret_key", "sk_prod_x"),
        ("stripe_secret_key", "sk_test_" + "x" * 248),
        ("stripe_webhook_secret", "sk_test_secret"),
        ("stripe_webhook_secret", "whsec_"),
        ("stripe_public_key", "sk_live_secret"),
        ("stripe_public_key", "whsec_webhook"),
    ],
)
def test_a_key_of_another_kind_is_refused_without_being_repeated(field: str, value: str) -> None:
    change(stripe_secret_key=SECRET)
    with nothing_changes(), pytest.raises(InvalidProcessorKey) as caught:
        change(**{"stripe_public_key": "pk_test_fine", field: value})
    assert list(caught.value.fields or {}) == [field]
    message = f"{caught.value.text} {caught.value.fields}"
    assert value in BARE_PREFIXES or value not in message


@pytest.mark.parametrize("value", ["sk_test_x", "sk_live_x", "rk_test_x", "rk_live_x", "sk_test_" + "x" * 247])
def test_every_form_of_a_secret_key_is_accepted(value: str) -> None:
    change(stripe_secret_key=value)
    assert processor_keys().secret_key == value


class TestRotation:
    def test_an_older_secret_key_still_reads(self, settings: Any) -> None:
        change(stripe_secret_key=SECRET, stripe_webhook_secret=WEBHOOK)
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "a new one"
        assert processor_keys().secret_key == SECRET

    def test_any_change_encrypts_all_with_the_newest(self, settings: Any) -> None:
        change(stripe_secret_key=SECRET, stripe_webhook_secret=WEBHOOK)
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "a new one"
        change()
        settings.SECRET_KEY_FALLBACKS = []
        keys = processor_keys()
        assert (keys.secret_key, keys.webhook_secret) == (SECRET, WEBHOOK)

    def test_without_the_older_secret_a_key_is_unreadable_and_not_cleared(self, settings: Any) -> None:
        change(stripe_secret_key=SECRET, stripe_webhook_secret=WEBHOOK)
        settings.SECRET_KEY = "a new one"
        with pytest.raises(ProcessorSettingsUnreadable) as caught:
            processor_keys()
        assert (caught.value.code, caught.value.status) == ("processor_settings_unreadable", 503)
        assert caught.value.__cause__ is None

    def test_then_a_change_of_one_secret_is_refused_and_of_both_heals(self, settings: Any) -> None:
        change(stripe_secret_key=SECRET, stripe_webhook_secret=WEBHOOK)
        settings.SECRET_KEY = "a new one"
        with nothing_changes(), pytest.raises(ProcessorSettingsUnreadable):
            change(stripe_secret_key="sk_test_new")
        change(stripe_secret_key="sk_test_new", stripe_webhook_secret="")
        assert processor_keys().secret_key == "sk_test_new"
        assert AuditEntry.objects.latest("created_at").changes["stripe_secret_key"] == ["unreadable", "_new"]

    def test_a_tampered_token_is_unreadable(self) -> None:
        change(stripe_secret_key=SECRET)
        token = stored()["encrypted_secret_key"]
        ProcessorSettings.objects.update(encrypted_secret_key=token[:-8] + "AAAAAAA=")
        with pytest.raises(ProcessorSettingsUnreadable):
            processor_keys()


@pytest.mark.parametrize(
    ("constraint", "assignment"),
    [
        ("billing_processorsettings_one_row", "id = 2"),
        ("billing_processorsettings_secret_key_encrypted", f"encrypted_secret_key = '{SECRET}'"),
        ("billing_processorsettings_webhook_secret_encrypted", f"encrypted_webhook_secret = '{WEBHOOK}'"),
    ],
)
def test_the_database_refuses_a_second_row_and_keys_in_plain_text(constraint: str, assignment: str) -> None:
    change(stripe_secret_key=SECRET)
    with (
        nothing_changes(),
        pytest.raises(DatabaseError, match=constraint),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE billing_processorsettings SET {assignment}")


def test_only_settings_and_audit_change() -> None:
    with only_changes("billing_processorsettings", "billing_auditentry"):
        change(stripe_secret_key=SECRET)


@pytest.mark.django_db(transaction=True)
def test_another_process_sees_a_change_at_its_next_use() -> None:
    """It runs all the while: it prints the key it sees whenever it is asked."""
    asking = (
        "import sys, django; django.setup()\n"
        "from billing.use_cases.processor_settings import processor_keys\n"
        "for line in sys.stdin: print(processor_keys().secret_key or 'none', flush=True)\n"
    )
    environment = os.environ | database_environment() | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", asking]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None

        def seen() -> str:
            print(file=other.stdin, flush=True)
            return str(other.stdout.readline()).strip()  # type: ignore[union-attr]

        assert seen() == "none"
        change(stripe_secret_key=SECRET)
        assert seen() == SECRET
        change(stripe_secret_key="")
        assert seen() == "none"
        other.stdin.close()
        assert other.wait(timeout=30) == 0


@pytest.mark.django_db(transaction=True)
def test_two_superadmins_at_once_lose_nothing_of_each_other() -> None:
    def one(keys: dict[str, str]) -> None:
        try:
            change(**keys)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as both:
        list(both.map(one, [{"stripe_secret_key": SECRET}, {"stripe_webhook_secret": WEBHOOK}]))
    keys = processor_keys()
    assert (keys.secret_key, keys.webhook_secret) == (SECRET, WEBHOOK)
    assert AuditEntry.objects.count() == 2
