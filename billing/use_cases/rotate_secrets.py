"""Encrypts all stored secrets with the present SECRET_KEY, so that its predecessors can be dropped."""

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import transaction
from django.utils.module_loading import import_string

from billing.actor import Actor
from billing.use_cases.identity.second_factor_secrets import decrypt_secret, encrypt_secret
from billing.use_cases.processor_settings import change_processor_keys
from billing.use_cases.record_audit import record_audit

# Where an authenticator app and recovery codes keep their secret.
_SECRET_FIELDS = ("secret", "seed")


def rotate_secrets(*, by: Actor, reason: str) -> int:
    """Encrypts Stripe's keys and the secrets of second factors anew, and returns how many second factors there are.

    An app that stores secrets of its own names the function that encrypts them in its AppConfig (`encrypt_secrets`).

    Raises: ProcessorSettingsUnreadable, InvalidToken where no key that this process knows decrypts a secret; nothing
    of that kind has changed then. Locks: the settings row, Authenticator. Transaction: owns, one for each kind.
    """
    change_processor_keys(by=by, reason=reason)
    for app in apps.get_app_configs():
        if path := getattr(app, "encrypt_secrets", ""):
            import_string(path)()
    with transaction.atomic():
        # Races with a recovery code that is being used, which is noted in the same field.
        found = list(Authenticator.objects.select_for_update(no_key=True).order_by("pk"))
        for authenticator in found:
            for name in set(_SECRET_FIELDS) & set(authenticator.data):
                authenticator.data[name] = encrypt_secret(decrypt_secret(authenticator.data[name]))
            authenticator.save(update_fields=["data"])
        record_audit(action="secrets.rotated", object_type="secrets", object_id="all", by=by, reason=reason)
    return len(found)
