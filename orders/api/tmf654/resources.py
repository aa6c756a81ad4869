"""The resources as the specification describes them, and as this service answers them."""

from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.fields import MajorAmountField
from billing.models import LedgerEntry
from billing.money import format_money, to_major
from billing.queries import Balance
from promos.models import Redemption

from .views import Resource, href_of

MONETARY = "monetary"


class _TypedSerializer(serializers.Serializer[Any]):
    """An object with TM Forum's members whose names begin with an at sign."""

    at_names: ClassVar[tuple[str, ...]] = ("@type",)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), **{name: serializers.CharField() for name in self.at_names}}


class QuantitySerializer(serializers.Serializer[Any]):
    amount = MajorAmountField(help_text="In the currency's main unit.")
    units = serializers.CharField(help_text="The currency.")


class TimePeriodSerializer(serializers.Serializer[Any]):
    startDateTime = serializers.DateTimeField(required=False)
    endDateTime = serializers.DateTimeField()


class ReferenceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()


class LinkSerializer(ReferenceSerializer):
    href = serializers.CharField()


class NamedReferenceSerializer(ReferenceSerializer):
    name = serializers.CharField(required=False)


class RelatedPartySerializer(_TypedSerializer):
    at_names = ("@referredType",)

    id = serializers.CharField()
    role = serializers.CharField()


class BucketSerializer(_TypedSerializer):
    id = serializers.CharField(help_text="The customer's user id: a customer has one bucket.")
    href = serializers.CharField()
    name = serializers.CharField()
    isShared = serializers.BooleanField()
    status = serializers.ChoiceField(choices=["active", "suspended", "expired"])
    usageType = serializers.ChoiceField(choices=[MONETARY])
    remainingValue = QuantitySerializer(help_text="The credit that can be spent now.")
    remainingValueName = serializers.CharField()
    reservedValue = QuantitySerializer(help_text="The credit that is held for an open payment.")
    validFor = TimePeriodSerializer(
        required=False, help_text="Until the last of the credit expires; absent where some of it never does."
    )
    partyAccount = ReferenceSerializer()
    relatedParty = RelatedPartySerializer(many=True)


class AccumulatedBalanceSerializer(_TypedSerializer):
    id = serializers.CharField(help_text="The customer's user id.")
    href = serializers.CharField()
    name = serializers.CharField()
    totalBalance = QuantitySerializer(help_text="All credit, with the reserved part.")
    bucket = LinkSerializer(many=True)
    partyAccount = ReferenceSerializer()
    relatedParty = RelatedPartySerializer(many=True)


class TopupBalanceSerializer(_TypedSerializer):
    id = serializers.UUIDField()
    href = serializers.CharField()
    status = serializers.ChoiceField(
        choices=["completed", "cancelled"], help_text="`cancelled`: staff have taken the credit back."
    )
    requestedDate = serializers.DateTimeField()
    confirmationDate = serializers.DateTimeField()
    voucher = serializers.CharField(help_text="The code; of a card its serial number, because the code is a secret.")
    usageType = serializers.ChoiceField(choices=[MONETARY])
    amount = QuantitySerializer(help_text="The credit of the voucher.")
    validFor = TimePeriodSerializer(required=False, help_text="Of the credit; absent where it does not expire.")
    bucket = LinkSerializer()
    partyAccount = ReferenceSerializer()
    relatedParty = RelatedPartySerializer(many=True)
    channel = NamedReferenceSerializer(help_text="As the request named it, or how the customer sent the voucher.")
    requestor = RelatedPartySerializer(help_text="The user or system that redeemed the voucher.")
    reason = serializers.CharField(required=False, help_text="Why it was cancelled.")


def _quantity(minor: int) -> Resource:
    currency = settings.SOVEREIGN_CURRENCY
    return {"amount": to_major(minor, currency=currency), "units": currency}


def _owner(user_id: str) -> Resource:
    return {
        "partyAccount": {"id": user_id},
        "relatedParty": [{"id": user_id, "role": "customer", "@referredType": "Customer"}],
    }


def _link(request: Request, resource: str, user_id: str) -> Resource:
    return {"id": user_id, "href": href_of(request, resource, quote(user_id, safe=""))}


def describe_bucket(balance: Balance, *, user_id: str, request: Request) -> Resource:
    """Returns the customer's balance as a bucket."""
    ends = [lot.expires_at for lot in balance.lots]
    last = max((end for end in ends if end), default=None) if all(ends) else None
    return {
        **_link(request, "bucket", user_id),
        "name": "Credit",
        "isShared": False,
        "status": "active",
        "usageType": MONETARY,
        "remainingValue": _quantity(balance.available_minor),
        "remainingValueName": format_money(balance.available_minor, currency=settings.SOVEREIGN_CURRENCY),
        "reservedValue": _quantity(balance.held_minor),
        **({"validFor": {"endDateTime": last}} if last else {}),
        **_owner(user_id),
        "@type": "Bucket",
    }


def describe_accumulated_balance(balance: Balance, *, user_id: str, request: Request) -> Resource:
    """Returns the sum of the customer's buckets, of which there is one."""
    return {
        **_link(request, "accumulatedBalance", user_id),
        "name": "Credit",
        "totalBalance": _quantity(balance.credit_minor),
        "bucket": [_link(request, "bucket", user_id)],
        **_owner(user_id),
        "@type": "AccumulatedBalance",
    }


def describe_topup(redemption: Redemption, grant: LedgerEntry, *, request: Request) -> Resource:
    """Returns a redemption into the balance, with the entry that granted its credit."""
    user_id, confirmed_at = redemption.customer.user_id, redemption.confirmed_at or redemption.reserved_at
    card = redemption.card_serial
    cancelled = redemption.status == Redemption.Status.RELEASED
    return {
        "id": redemption.id,
        "href": href_of(request, "topupBalance", str(redemption.id)),
        "status": "cancelled" if cancelled else "completed",
        "requestedDate": redemption.reserved_at,
        "confirmationDate": confirmed_at,
        "voucher": redemption.promo_code.code if card is None else str(card),
        "usageType": MONETARY,
        "amount": _quantity(redemption.credit_minor),
        **_validity(confirmed_at, redemption.credit_expires_at),
        "bucket": _link(request, "bucket", user_id),
        **_owner(user_id),
        "channel": read_channel(grant),
        "requestor": {"id": grant.actor_id, "role": grant.actor_role, "@referredType": "Party"},
        **({"reason": redemption.release_reason} if cancelled else {}),
        "@type": "TopupBalance",
    }


def _validity(start: datetime, end: datetime | None) -> Resource:
    return {"validFor": {"startDateTime": start, "endDateTime": end}} if end else {}


_NOTE = "channel "


def write_channel(identity: str, name: str) -> str:
    """Returns the note on the grant that names the channel, for staff and for later answers."""
    return f"{_NOTE}{identity} {name}".strip() if identity else ""


def read_channel(grant: LedgerEntry) -> Resource:
    """Returns the channel that the note names, or how the customer sent the voucher."""
    if not grant.note.startswith(_NOTE):
        return {"id": grant.channel}
    identity, _, name = grant.note.removeprefix(_NOTE).partition(" ")
    return {"id": identity, **({"name": name} if name else {})}
