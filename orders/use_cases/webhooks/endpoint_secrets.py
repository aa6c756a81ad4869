"""The secrets by which subscribers know that a request is ours, and the signatures made with them.

A secret is stored encrypted. Signatures follow the Standard Webhooks specification: `v1` is HMAC-SHA256 over message
id, time and body. After a rotation requests are signed with the earlier secret too for a day, so that a subscriber
can change. A second rotation within that day shortens nothing: each of the last four has its own day.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from billing.use_cases.secret_cipher import make_cipher
from orders.errors import WebhookEndpointRetired
from orders.locks import lock_webhook_endpoint
from orders.models import WebhookEndpoint

PREFIX = "whsec_"
SECRET_BYTES = 32
# How long requests are signed with the earlier secret too.
OVERLAP = timedelta(hours=24)
# Each adds to a header, and subscribers refuse one that is too long.
MAX_EARLIER_SECRETS = 4
_PURPOSE = b"qasima.orders.webhook_secrets.v1"


def new_secret() -> str:
    """Makes a secret in the form that the libraries of Standard Webhooks read."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def encrypt_secret(text: str) -> str:
    return make_cipher(_PURPOSE).encrypt(text.encode()).decode()


def decrypt_secret(encrypted: str) -> str:
    """Raises: InvalidToken where no known SECRET_KEY encrypted it."""
    return make_cipher(_PURPOSE).decrypt(encrypted.encode()).decode()


def signing_secrets(endpoint: WebhookEndpoint, *, now: datetime) -> list[str]:
    """Returns the secrets that sign a request at this time, the newest first. Raises: InvalidToken."""
    earlier = _read_earlier_secrets(endpoint, now=now)
    return [decrypt_secret(endpoint.encrypted_secret), *(secret for secret, _ in earlier)]


def _read_earlier_secrets(endpoint: WebhookEndpoint, *, now: datetime) -> list[tuple[str, datetime]]:
    """Returns the earlier secrets that still sign, the newest first, and until when. Raises: InvalidToken."""
    newest_until = endpoint.previous_secret_until
    if newest_until is None or newest_until <= now:
        return []
    newest, *others = decrypt_secret(endpoint.encrypted_previous_secret).split("\n")
    found = [(newest, newest_until)]
    for line in others:
        secret, until = line.split(" ")
        found.append((secret, datetime.fromisoformat(until)))
    return [(secret, until) for secret, until in found if until > now]


def _keep_earlier_secrets(endpoint: WebhookEndpoint, earlier: Sequence[tuple[str, datetime]]) -> None:
    """Writes the earlier secrets into one encrypted text: the newest, and each other with its own end in a line."""
    endpoint.encrypted_previous_secret, endpoint.previous_secret_until = "", None
    if earlier:
        (newest, endpoint.previous_secret_until), *others = earlier
        lines = [newest, *(f"{secret} {until.isoformat()}" for secret, until in others)]
        endpoint.encrypted_previous_secret = encrypt_secret("\n".join(lines))


def sign(*, message_id: str, body: bytes, at: datetime, with_secrets: Sequence[str]) -> dict[str, str]:
    """Returns the headers that identify and sign a message."""
    moment = str(int(at.timestamp()))
    content = f"{message_id}.{moment}.".encode() + body
    keys = [base64.b64decode(secret.removeprefix(PREFIX)) for secret in with_secrets]
    signatures = [base64.b64encode(hmac.digest(key, content, sha256)).decode() for key in keys]
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": moment,
        "Webhook-Signature": " ".join(f"v1,{each}" for each in signatures),
    }


def rotate_secret(*, endpoint_id: UUID, by: Actor, reason: str, now: datetime | None = None) -> str:
    """Gives the endpoint a new secret, and returns it. The earlier one signs too for OVERLAP.

    Secrets that no known SECRET_KEY encrypted can sign nothing, and end here.

    Raises: WebhookEndpointNotFound, WebhookEndpointRetired, ReasonRequired. Locks: WebhookEndpoint.
    Transaction: owns.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    secret, moment = new_secret(), now or timezone.now()
    with transaction.atomic():
        endpoint = lock_webhook_endpoint(endpoint_id=endpoint_id)
        if endpoint.status == WebhookEndpoint.Status.RETIRED:
            raise WebhookEndpointRetired
        try:
            present = decrypt_secret(endpoint.encrypted_secret)
            earlier = [(present, moment + OVERLAP), *_read_earlier_secrets(endpoint, now=moment)]
            earlier = earlier[:MAX_EARLIER_SECRETS]
        except InvalidToken:
            earlier = []
        _keep_earlier_secrets(endpoint, earlier)
        endpoint.encrypted_secret, endpoint.updated_at = encrypt_secret(secret), moment
        endpoint.save(
            update_fields=[
                "encrypted_previous_secret",
                "previous_secret_until",
                "encrypted_secret",
                "updated_at",
            ]
        )
        _audit(endpoint, "webhook.secret_rotated", by=by, reason=reason)
    return secret


def reveal_secret(*, endpoint_id: UUID, by: Actor, reason: str) -> str:
    """Returns the endpoint's secret, and records who read it.

    Raises: WebhookEndpointNotFound, ReasonRequired, InvalidToken. Locks: WebhookEndpoint. Transaction: owns.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        endpoint = lock_webhook_endpoint(endpoint_id=endpoint_id)
        _audit(endpoint, "webhook.secret_read", by=by, reason=reason)
        return decrypt_secret(endpoint.encrypted_secret)


def encrypt_secrets_anew() -> int:
    """Encrypts all secrets with the present SECRET_KEY, and returns how many endpoints there are.

    Raises: InvalidToken; nothing has changed then. Locks: WebhookEndpoint. Transaction: owns.
    """
    with transaction.atomic():
        # Races with a rotation.
        found = list(WebhookEndpoint.objects.select_for_update(no_key=True).order_by("pk"))
        for endpoint in found:
            endpoint.encrypted_secret = encrypt_secret(decrypt_secret(endpoint.encrypted_secret))
            if endpoint.encrypted_previous_secret:
                previous = decrypt_secret(endpoint.encrypted_previous_secret)
                endpoint.encrypted_previous_secret = encrypt_secret(previous)
            endpoint.save(update_fields=["encrypted_secret", "encrypted_previous_secret"])
    return len(found)


def _audit(endpoint: WebhookEndpoint, action: str, *, by: Actor, reason: str) -> None:
    record_audit(action=action, object_type="webhookendpoint", object_id=str(endpoint.pk), by=by, reason=reason)
