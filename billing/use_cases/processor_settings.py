"""The card processor's keys. A superadmin changes them while the service runs, effective at once in every process.

Each use reads the keys from the database by one query, and nothing is cached: a change made by one process is seen by
the next use in any other. The environment gives initial values, which apply until a key is set or cleared here.

Secrets are encrypted with a key derived from SECRET_KEY (HKDF-SHA256, then Fernet: AES-128-CBC and HMAC-SHA256).
When SECRET_KEY changes, put the old one into SECRET_KEY_FALLBACKS. Secrets encrypted with it stay readable, and every
change made here, even an empty one, encrypts the stored secrets again with the current SECRET_KEY. A secret that no
key can decrypt is reported as unreadable. It never counts as cleared, which would silently turn card payments off.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from cryptography.fernet import InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import InvalidProcessorKey, ProcessorSettingsUnreadable
from billing.language import say
from billing.models import ProcessorSettings

from .record_audit import record_audit
from .secret_cipher import make_cipher

MAX_KEY_LENGTH = 255
_PURPOSE = b"qasima.billing.processor_settings.v1"

SECRET_KEY, WEBHOOK_SECRET, PUBLIC_KEY = "stripe_secret_key", "stripe_webhook_secret", "stripe_public_key"
_FORMS = {
    SECRET_KEY: (re.compile(r"(sk|rk)_(test|live)_[!-~]+"), "sk_test_, sk_live_, rk_test_ or rk_live_"),
    WEBHOOK_SECRET: (re.compile(r"whsec_[!-~]+"), "whsec_"),
    PUBLIC_KEY: (re.compile(r"pk_(test|live)_[!-~]+"), "pk_test_ or pk_live_"),
}
_COLUMNS = {
    SECRET_KEY: "encrypted_secret_key",
    WEBHOOK_SECRET: "encrypted_webhook_secret",
    PUBLIC_KEY: "public_key",
}
_SECRETS = (SECRET_KEY, WEBHOOK_SECRET)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ProcessorKeys:
    """The keys in effect; a key that is not set is empty. The repr names the keys that are set and shows none."""

    secret_key: str
    webhook_secret: str
    public_key: str
    updated_at: datetime | None = None

    def __repr__(self) -> str:
        there = [name for name in ("secret_key", "webhook_secret", "public_key") if getattr(self, name)]
        return f"ProcessorKeys({', '.join(there) or 'none'})"


def processor_keys() -> ProcessorKeys:
    """Returns the keys in effect now. Nothing is cached between calls. One query.

    Raises: ProcessorSettingsUnreadable.
    """
    return _keys(ProcessorSettings.objects.filter(id=ProcessorSettings.ONLY).first())


def change_processor_keys(
    *,
    by: Actor,
    stripe_secret_key: str | None = None,
    stripe_webhook_secret: str | None = None,
    stripe_public_key: str | None = None,
    reason: str = "",
) -> ProcessorKeys:
    """Changes the given keys. None leaves a key unchanged; the empty string clears it.

    Raises: InvalidProcessorKey; ProcessorSettingsUnreadable if a stored secret that is not replaced cannot be
    decrypted. Locks: the settings row. Transaction: owns.
    """
    given = {
        SECRET_KEY: stripe_secret_key,
        WEBHOOK_SECRET: stripe_webhook_secret,
        PUBLIC_KEY: stripe_public_key,
    }
    changed = {name: value.strip() for name, value in given.items() if value is not None}
    _validate(changed)
    with transaction.atomic():
        ProcessorSettings.objects.bulk_create([ProcessorSettings()], ignore_conflicts=True)
        # Races with another superadmin's change: each must see the other's result, for the audit entry and for
        # the keys that it leaves unchanged.
        row = ProcessorSettings.objects.select_for_update().get(id=ProcessorSettings.ONLY)
        before = {name: _last4_before(row, name) for name in changed}
        for name, value in changed.items():
            setattr(row, _COLUMNS[name], _encrypt(value) if name in _SECRETS else value)
        _encrypt_anew(row, except_for=changed)
        if changed:
            row.updated_at = timezone.now()
            _audit(changed, before, by, reason)
        row.save()
    return _keys(row)


def last4(key: str) -> str:
    """Returns the part of a key that may be shown. Empty if the key is not set."""
    return key[-4:]


def _validate(changed: Mapping[str, str]) -> None:
    """Raises: InvalidProcessorKey, naming each wrong field. The error never repeats a value."""
    problems: dict[str, list[str]] = {}
    for name, value in changed.items():
        form, beginnings = _FORMS[name]
        if len(value) > MAX_KEY_LENGTH:
            problems[name] = [say("may have at most %(number)s characters", number=MAX_KEY_LENGTH)]
        elif value and not form.fullmatch(value):
            problems[name] = [
                say("must begin with %(beginnings)s and have only visible ASCII characters", beginnings=beginnings)
            ]
    if problems:
        name, sentences = next(iter(problems.items()))
        raise InvalidProcessorKey(f"{name}: {sentences[0]}", fields=problems)


def _keys(row: ProcessorSettings | None) -> ProcessorKeys:
    row = row or ProcessorSettings()
    return ProcessorKeys(
        secret_key=_value(row, SECRET_KEY),
        webhook_secret=_value(row, WEBHOOK_SECRET),
        public_key=_value(row, PUBLIC_KEY),
        updated_at=row.updated_at,
    )


def _value(row: ProcessorSettings, name: str) -> str:
    """Returns the key in effect. Raises: ProcessorSettingsUnreadable."""
    stored: str | None = getattr(row, _COLUMNS[name])
    if stored is None:
        initial: str = getattr(settings, f"INITIAL_{name.upper()}")
        return initial
    return _decrypt(stored, name) if name in _SECRETS else stored


def _encrypt(value: str) -> str:
    return _cipher().encrypt(value.encode()).decode() if value else ""


def _decrypt(token: str, name: str) -> str:
    if not token:
        return ""
    try:
        return _cipher().decrypt(token).decode()
    except InvalidToken:
        _unreadable(name)


def _encrypt_anew(row: ProcessorSettings, *, except_for: Mapping[str, str]) -> None:
    """Encrypts the stored secrets with the current SECRET_KEY, so that an older one can be dropped."""
    for name in _SECRETS:
        token: str | None = getattr(row, _COLUMNS[name])
        if token and name not in except_for:
            try:
                setattr(row, _COLUMNS[name], _cipher().rotate(token).decode())
            except InvalidToken:
                _unreadable(name)


def _unreadable(name: str) -> NoReturn:
    raise ProcessorSettingsUnreadable(
        f"the stored {name} cannot be decrypted because SECRET_KEY changed: put the old one into"
        " SECRET_KEY_FALLBACKS, or set all Stripe secrets again in one request"
    ) from None


def _cipher() -> MultiFernet:
    return make_cipher(_PURPOSE)


def _last4_before(row: ProcessorSettings, name: str) -> str:
    try:
        return last4(_value(row, name))
    except ProcessorSettingsUnreadable:
        return "unreadable"


def _audit(changed: Mapping[str, str], before: Mapping[str, str], by: Actor, reason: str) -> None:
    record_audit(
        action="processor_settings.changed",
        object_type="processorsettings",
        object_id=str(ProcessorSettings.ONLY),
        changes={name: [before[name], last4(value)] for name, value in changed.items()},
        by=by,
        reason=reason,
    )
