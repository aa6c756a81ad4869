"""Collects everything that this service knows of one customer, for the customer.

Other people's data is not in it: no other member of an organization, and nobody of staff.
"""

from typing import Any

from django.db import transaction
from django.db.models import F

from billing.actor import Actor
from billing.models import (
    OPTIONAL_MAILS,
    Customer,
    LedgerEntry,
    Organization,
    OrganizationMember,
    ProviderAccount,
    User,
)
from billing.use_cases.personal.open_sessions import list_sessions
from billing.use_cases.record_audit import record_audit
from orders.models import Document, Order
from promos.models import Redemption

FILE_HEADERS = {"Content-Disposition": 'attachment; filename="my-data.json"', "Cache-Control": "private, no-store"}


def export_personal_data(*, by: Actor) -> dict[str, Any]:
    """Returns the actor's own data by subject, as JSON values, times and ids. The audit trail records the export.

    Customers who were merged into this one are included. Transaction: owns.
    """
    with transaction.atomic():
        customer = Customer.objects.filter(user_id=by.user_id).first()
        own = Customer.objects.filter(merged_into=customer) if customer else Customer.objects.none()
        keys = [customer.pk, *own.values_list("pk", flat=True)] if customer else []
        user = User.objects.filter(sub=by.user_id).first()
        record_audit(action="customer.data_exported", object_type="customer", object_id=by.user_id, by=by)
        return {
            "profile": _profile(by, customer, user),
            "mails": {name: name not in (customer.declined_mails if customer else ()) for name in OPTIONAL_MAILS},
            "sessions": _sessions(user),
            "organizations": _organizations(keys),
            "memberships": _memberships(keys),
            "orders": _orders(keys),
            "redemptions": _redemptions(keys),
            "entries": _entries(keys),
            "documents": _documents(keys),
        }


def _profile(by: Actor, customer: Customer | None, user: User | None) -> dict[str, Any]:
    return {
        "id": by.user_id,
        "email": (user.email if user else "") or (customer.email if customer else by.email),
        "name": user.get_full_name() if user else "",
        "language": customer.language if customer else "",
        "created_at": customer.created_at if customer else None,
        "providers": list(ProviderAccount.objects.filter(user=user).values_list("issuer", flat=True)) if user else [],
    }


def _sessions(user: User | None) -> list[Any]:
    return [
        {
            "started_at": each.started_at,
            "used_at": each.used_at,
            "program": each.program,
            "address": each.address,
            "method": each.method,
        }
        for each in (list_sessions(user=user) if user else [])
    ]


def _organizations(keys: list[int]) -> list[Any]:
    rows = Organization.objects.filter(customer__in=keys).order_by("created_at", "id")
    return list(rows.values("id", "slug", "name", "vat_number", "status", "created_at"))


def _memberships(keys: list[int]) -> list[Any]:
    rows = OrganizationMember.objects.filter(customer__in=keys).order_by("joined_at", "id")
    named = {"tenant_id": F("organization_id"), "organization_name": F("organization__name")}
    return list(rows.values("role", "email", "joined_at", **named))


def _orders(keys: list[int]) -> list[Any]:
    rows = Order.objects.filter(customer__in=keys).prefetch_related("lines").order_by("created_at", "id")
    return [
        {
            "id": order.id,
            "tenant_id": order.organization_id,
            "kind": order.kind,
            "status": order.status,
            "amount_minor": order.total_minor,
            "credit_applied_minor": order.credit_applied_minor,
            "currency": order.currency,
            "promo_code": order.promo_code,
            "bundle": order.bundle["name"] if order.bundle else "",
            "lines": [{"name": line.name, "price_minor": line.price_minor} for line in order.lines.all()],
            "address": order.address or "",
            "created_at": order.created_at,
        }
        for order in rows
    ]


def _redemptions(keys: list[int]) -> list[Any]:
    rows = Redemption.objects.filter(customer__in=keys).order_by("reserved_at", "id")
    return list(rows.values("status", "credit_minor", "reserved_at", "credit_expires_at", code=F("promo_code__code")))


def _entries(keys: list[int]) -> list[Any]:
    rows = LedgerEntry.objects.filter(account__in=keys).order_by("created_at", "id")
    return list(rows.values("id", "amount_minor", "reason", "order_id", "expires_at", "created_at"))


def _documents(keys: list[int]) -> list[Any]:
    rows = Document.objects.filter(order__customer__in=keys).order_by("supplied_at", "id")
    return [{"id": each.id, "number": each.name, "kind": each.kind, "supplied_at": each.supplied_at} for each in rows]
