"""Registers subscribers' endpoints, changes, pauses and retires them."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.language import say
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from orders.errors import InvalidWebhookEndpoint, TooManyWebhookEndpoints, WebhookEndpointRetired
from orders.locks import lock_webhook_endpoint
from orders.models import WebhookDelivery, WebhookEndpoint
from orders.models.webhooks.endpoint import MAX_DESCRIPTION_LENGTH, MAX_URL_LENGTH
from orders.subscribers import AddressRefused, check_address

from .endpoint_secrets import encrypt_secret, new_secret

# Each event is queued once for each endpoint, in the transaction that records it.
MAX_ENDPOINTS = 50
EVENT_TYPES = (
    "order.placed",
    "tenant.created",
    "tenant.deleted",
    "subscription.renewed",
    "subscription.past_due",
    "subscription.canceled",
    "provision.requested",
    "app.install_requested",
    "app.uninstall_requested",
    "domain.added",
    "domain.verified",
    "domain.failed",
    "domain.removed",
)
PAUSED_BY_STAFF = "staff paused it"
_RETIRED = "the endpoint was retired"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Registered:
    """A new endpoint and its secret, which is not shown again by itself."""

    endpoint: WebhookEndpoint
    secret: str


def register_endpoint(
    *, url: str, description: str = "", types: Sequence[str] = (), by: Actor, reason: str = ""
) -> Registered:
    """Registers an endpoint, which gets the events from now on.

    Args: types: the types of events that it gets; empty for all.
    Raises: InvalidWebhookEndpoint, TooManyWebhookEndpoints. Transaction: owns.
    """
    values = _check(url, description, types)
    # Two registrations at the same moment may pass together: the limit protects the checkout, not a count.
    if WebhookEndpoint.objects.exclude(status=WebhookEndpoint.Status.RETIRED).count() >= MAX_ENDPOINTS:
        raise TooManyWebhookEndpoints
    secret = new_secret()
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.create(
            **values, encrypted_secret=encrypt_secret(secret), created_by=by.user_id
        )
        changes = {name: [None, value] for name, value in values.items()}
        _audit(endpoint, "webhook.registered", changes=changes, by=by, reason=reason)
    return Registered(endpoint=endpoint, secret=secret)


def change_endpoint(
    *,
    endpoint_id: UUID,
    url: str | None = None,
    description: str | None = None,
    types: Sequence[str] | None = None,
    by: Actor,
    reason: str,
) -> WebhookEndpoint:
    """Changes an endpoint; None leaves a value unchanged. Events that wait are sent to the new address.

    Raises: WebhookEndpointNotFound, WebhookEndpointRetired, InvalidWebhookEndpoint, ReasonRequired.
    Locks: WebhookEndpoint. Transaction: owns.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        endpoint = _lock_kept(endpoint_id)
        before = {"url": endpoint.url, "description": endpoint.description, "types": endpoint.types}
        values = _check(
            endpoint.url if url is None else url,
            endpoint.description if description is None else description,
            endpoint.types if types is None else types,
        )
        changes = {name: [before[name], values[name]] for name in values if before[name] != values[name]}
        if changes:
            for name, value in values.items():
                setattr(endpoint, name, value)
            endpoint.updated_at = timezone.now()
            endpoint.save(update_fields=[*values, "updated_at"])
            _audit(endpoint, "webhook.changed", changes=changes, by=by, reason=reason)
        return endpoint


def pause_endpoint(*, endpoint_id: UUID, by: Actor, reason: str) -> WebhookEndpoint:
    """Pauses an endpoint. Its events wait until it is active again.

    Raises: WebhookEndpointNotFound, WebhookEndpointRetired, ReasonRequired. Locks: WebhookEndpoint.
    Transaction: owns. Idempotency: a paused one stays as it is.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        endpoint = _lock_kept(endpoint_id)
        if endpoint.status == WebhookEndpoint.Status.ACTIVE:
            pause(endpoint, why=PAUSED_BY_STAFF, by=by, reason=reason)
        return endpoint


def pause(endpoint: WebhookEndpoint, *, why: str, by: Actor, reason: str = "") -> None:
    """Pauses a locked, active endpoint. Transaction: joins."""
    _change_status(endpoint, WebhookEndpoint.Status.PAUSED, why=why, by=by, reason=reason)


def resume_endpoint(*, endpoint_id: UUID, by: Actor, reason: str) -> WebhookEndpoint:
    """Makes a paused endpoint active. What waits is sent at once.

    Raises: WebhookEndpointNotFound, WebhookEndpointRetired, ReasonRequired. Locks: WebhookEndpoint.
    Transaction: owns. Idempotency: an active one stays as it is.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        endpoint = _lock_kept(endpoint_id)
        if endpoint.status == WebhookEndpoint.Status.PAUSED:
            _change_status(endpoint, WebhookEndpoint.Status.ACTIVE, why="", by=by, reason=reason)
            make_due(endpoint)
        return endpoint


def make_due(endpoint: WebhookEndpoint) -> None:
    """Lets the deliveries be attempted at once that wait for their next attempt. Transaction: joins."""
    now = timezone.now()
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, status=WebhookDelivery.Status.PENDING)
    waiting.filter(next_attempt_at__gt=now).update(next_attempt_at=now)


def retire_endpoint(*, endpoint_id: UUID, by: Actor, reason: str) -> WebhookEndpoint:
    """Retires an endpoint for good. What waits for it has failed.

    Raises: WebhookEndpointNotFound, ReasonRequired. Locks: WebhookEndpoint. Transaction: owns.
    Idempotency: a retired one stays as it is.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        endpoint = lock_webhook_endpoint(endpoint_id=endpoint_id)
        if endpoint.status != WebhookEndpoint.Status.RETIRED:
            _change_status(endpoint, WebhookEndpoint.Status.RETIRED, why="", by=by, reason=reason)
            waiting = WebhookDelivery.objects.filter(endpoint=endpoint, status=WebhookDelivery.Status.PENDING)
            waiting.update(status=WebhookDelivery.Status.FAILED)
        return endpoint


def _lock_kept(endpoint_id: UUID) -> WebhookEndpoint:
    """Raises: WebhookEndpointNotFound, WebhookEndpointRetired."""
    endpoint = lock_webhook_endpoint(endpoint_id=endpoint_id)
    if endpoint.status == WebhookEndpoint.Status.RETIRED:
        raise WebhookEndpointRetired
    return endpoint


def _change_status(
    endpoint: WebhookEndpoint, status: WebhookEndpoint.Status, *, why: str, by: Actor, reason: str
) -> None:
    changes = {"status": [endpoint.status, status.value], "pause_reason": [endpoint.pause_reason, why]}
    endpoint.status, endpoint.pause_reason, endpoint.updated_at = status, why, timezone.now()
    endpoint.failures, endpoint.failing_since, endpoint.retry_at = 0, None, None
    endpoint.save(update_fields=["status", "pause_reason", "updated_at", "failures", "failing_since", "retry_at"])
    verb = {"active": "resumed", "paused": "paused", "retired": "retired"}[status.value]
    _audit(endpoint, f"webhook.{verb}", changes=changes, by=by, reason=reason)


def _check(url: str, description: str, types: Sequence[str]) -> dict[str, Any]:
    """Returns the values in their stored form. Raises: InvalidWebhookEndpoint."""
    url, description, problems = url.strip(), description.strip(), {}
    problem = _describe_problem(url)
    if problem:
        problems["url"] = [problem]
    if len(description) > MAX_DESCRIPTION_LENGTH or (description and not description.isprintable()):
        problems["description"] = [say("at most %(number)s characters in one line", number=MAX_DESCRIPTION_LENGTH)]
    unknown = sorted(set(types) - set(EVENT_TYPES))
    if unknown:
        problems["types"] = [say("unknown type of event: %(names)s", names=", ".join(unknown))]
    if problems:
        raise InvalidWebhookEndpoint(fields=problems)
    return {"url": url, "description": description, "types": [each for each in EVENT_TYPES if each in types]}


def _describe_problem(url: str) -> str:
    """Returns what is wrong with the address, or nothing. A name is resolved at each request, not here."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "must be an address such as https://example.com/hooks"
    is_whole = parts.scheme in ("http", "https") and parts.hostname and not parts.fragment and port != 0
    if not is_whole or not url.isascii() or not url.isprintable() or " " in url or len(url) > MAX_URL_LENGTH:
        return "must be an address such as https://example.com/hooks"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user or a password: requests are signed"
    if parts.scheme == "http" and not settings.WEBHOOK_PRIVATE_NETWORKS:
        return "must begin with https://"
    try:
        check_address(ip_address(parts.hostname or ""), scheme=parts.scheme)
    except AddressRefused as refusal:
        return str(refusal)
    except ValueError:
        pass
    return ""


def _audit(endpoint: WebhookEndpoint, action: str, *, changes: dict[str, Any], by: Actor, reason: str) -> None:
    record_audit(
        action=action,
        object_type="webhookendpoint",
        object_id=str(endpoint.pk),
        by=by,
        changes=changes,
        reason=reason,
    )
