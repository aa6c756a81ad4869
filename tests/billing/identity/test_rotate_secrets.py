"""A new SECRET_KEY: after the rotation nothing needs the old one."""

from io import StringIO
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.management import CommandError, call_command

from billing.models import AuditEntry
from billing.use_cases.processor_settings import change_processor_keys, processor_keys
from tests.factories import UserFactory, actor

pytestmark = pytest.mark.django_db
OLD, NEW = "old-key-" * 6, "new-key-" * 6


def rotate() -> str:
    out = StringIO()
    call_command("rotate_secrets", "--by", "ops", "--why", "a leaver knew the key", stdout=out)
    return out.getvalue()


def test_every_secret_is_readable_without_the_old_key(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    change_processor_keys(by=actor(), stripe_secret_key="sk_test_1", stripe_webhook_secret="whsec_1")
    user, secret = UserFactory.create(), generate_totp_secret()
    totp, recovery = TOTP.activate(user, secret), RecoveryCodes.activate(user)
    codes = recovery.get_unused_codes()

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, []
    with pytest.raises(CommandError, match="SECRET_KEY_FALLBACKS"):
        rotate()
    settings.SECRET_KEY_FALLBACKS = [OLD]
    assert "2 second factors" in rotate()
    settings.SECRET_KEY_FALLBACKS = []

    assert (processor_keys().secret_key, processor_keys().webhook_secret) == ("sk_test_1", "whsec_1")
    totp.instance.refresh_from_db()
    recovery.instance.refresh_from_db()
    adapter = get_adapter()
    assert adapter.decrypt(totp.instance.data["secret"]) == secret
    assert RecoveryCodes(recovery.instance).get_unused_codes() == codes
    assert AuditEntry.objects.get(action="secrets.rotated").reason == "a leaver knew the key"
