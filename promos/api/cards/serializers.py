"""The JSON shapes of batches, cards, ranges and dealers."""

from typing import Any

from rest_framework import serializers

from billing.api.fields import (
    CsvTextField,
    FlagField,
    InstantField,
    MoneyInput,
    MoneyRequestSerializer,
    MoneyResponseSerializer,
    RequestSerializer,
    TextField,
    WholeNumberField,
)
from billing.api.identifiers import IdField
from promos.api.credit_life import credit_days_field
from promos.api.restrictions import RestrictionsRequestSerializer, RestrictionsSerializer
from promos.models import Batch, CardRange
from promos.models.batch import MAX_CARDS
from promos.models.card_range import MAX_DEALER_NAME_LENGTH
from promos.use_cases.ranges.plan_act import Act, Skipped

MAX_SERIAL = 10**18
_REASON = "For the audit trail."


class BatchSerializer(MoneyResponseSerializer):
    money = ("credit",)

    id = serializers.UUIDField(source="promo_code_id")
    name = serializers.CharField(source="promo_code.code")
    description = serializers.CharField(source="promo_code.description")
    campaign_id = serializers.UUIDField(source="promo_code.campaign_id")
    status = serializers.ChoiceField(choices=Batch.Status.choices)
    size = serializers.IntegerField(help_text="How many cards it has once they are generated.")
    generated = serializers.IntegerField()
    redeemed = serializers.IntegerField(help_text="Its redeemed cards; in a list as the worker counted them last.")
    pattern = serializers.CharField()
    alphabet = serializers.ChoiceField(choices=Batch.Alphabet.choices)
    printer_key = serializers.CharField(
        help_text="Of a secret batch: the public key of age that its codes are encrypted to, else empty."
    )
    first_serial = serializers.IntegerField()
    last_serial = serializers.IntegerField()
    early_attempts = serializers.IntegerField(
        help_text="Attempts to use a card that was not active, while they are kept, as the worker counted them last."
    )
    starts_at = serializers.DateTimeField(source="promo_code.starts_at", allow_null=True)
    expires_at = serializers.DateTimeField(source="promo_code.expires_at", allow_null=True)
    credit_days = serializers.IntegerField(
        source="promo_code.credit_days",
        allow_null=True,
        help_text="The credit expires so many days of 24 hours after the redemption.",
    )
    credit_expires_at = serializers.DateTimeField(
        source="promo_code.credit_expires_at",
        allow_null=True,
        help_text="At the latest at this instant. Both null: as the campaign says.",
    )
    restrictions = RestrictionsSerializer(
        source="promo_code.restrictions", allow_null=True, help_text="Its own; those of its campaign apply too."
    )
    created_by = serializers.CharField()
    approved_by = serializers.CharField(help_text="Empty until the batch is approved.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class BatchDraftSerializer(MoneyRequestSerializer):
    """The terms of a new batch. Each # of the pattern is one random character."""

    money = (MoneyInput(name="credit", minimum=1),)

    name = TextField(max_length=64)
    size = WholeNumberField(min_value=1, max_value=MAX_CARDS)
    pattern = TextField(max_length=40)
    alphabet = serializers.ChoiceField(required=False, choices=Batch.Alphabet.choices)
    description = TextField(required=False, allow_blank=True, max_length=500)
    campaign_id = IdField(required=False)
    printer_key = TextField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="A public key of age makes the batch secret: its codes are only in one file, encrypted to it.",
    )
    starts_at = InstantField(required=False, allow_null=True)
    expires_at = InstantField(required=False, allow_null=True)
    credit_days = credit_days_field()
    credit_expires_at = InstantField(required=False, allow_null=True)
    restrictions = RestrictionsRequestSerializer(
        required=False, allow_null=True, help_text="Who can redeem its cards, and with what."
    )
    reason = TextField(required=False, allow_blank=True, max_length=500, help_text=_REASON)


class BatchActSerializer(RequestSerializer):
    reason = TextField(max_length=500, help_text=_REASON)


class CardSerializer(serializers.Serializer[Any]):
    """A card, without its code."""

    serial = serializers.IntegerField()
    last4 = serializers.SerializerMethodField(help_text="The last characters of its code; empty for a secret one.")
    batch_id = serializers.UUIDField(source="batch.promo_code_id")
    status = serializers.SerializerMethodField(
        help_text="redeemed; else the state of its range where that keeps it from being redeemed: stock, allocated,"
        " locked or void; else the state of its batch."
    )
    customer_id = serializers.CharField(source="user_id", allow_null=True, help_text="The customer who redeemed it.")
    redeemed_at = serializers.DateTimeField(allow_null=True)

    def get_last4(self, card: Any) -> str:
        return str(card.shown_ending)

    def get_status(self, card: Any) -> str:
        if card.user_id:
            return "redeemed"
        if card.batch.status in (Batch.Status.CLOSED, Batch.Status.VOID):
            return str(card.batch.status)
        if card.range_locked:
            return "locked"
        if card.range_status and card.range_status != CardRange.Status.ACTIVE:
            return str(card.range_status)
        return str(card.batch.status)


class RangeSerializer(serializers.Serializer[Any]):
    """Cards with serial numbers in a row, and what holds for them beside their batch."""

    batch_id = serializers.UUIDField(source="batch.promo_code_id")
    batch_name = serializers.CharField(source="batch.promo_code.code")
    first_serial = serializers.IntegerField()
    last_serial = serializers.IntegerField()
    cards = serializers.IntegerField(source="size")
    status = serializers.ChoiceField(choices=CardRange.Status.choices)
    locked = serializers.BooleanField()
    dealer_id = serializers.UUIDField(source="dealer.public_id", allow_null=True, default=None)
    dealer_name = serializers.CharField(source="dealer.name", allow_null=True, default=None)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="In place of the batch's own end.")
    updated_at = serializers.DateTimeField()


class RangeActSerializer(RequestSerializer):
    """An act on the cards from `first_serial` up to and including `last_serial`."""

    act = serializers.ChoiceField(choices=Act.choices)
    first_serial = WholeNumberField(min_value=1, max_value=MAX_SERIAL)
    last_serial = WholeNumberField(min_value=1, max_value=MAX_SERIAL)
    dealer_id = IdField(required=False, help_text="For an allocation.")
    expires_at = InstantField(required=False, help_text="For an extension: a later end than the batch's.")
    reason = TextField(max_length=500, help_text=_REASON)


class SerialFileSerializer(RequestSerializer):
    """An act on the cards that a CSV file names."""

    act = serializers.ChoiceField(choices=Act.choices)
    csv = CsvTextField(help_text="One serial number in each row, or a first and a last one; titles are optional.")
    dealer_id = IdField(required=False, help_text="For an allocation.")
    expires_at = InstantField(required=False, help_text="For an extension: a later end than the batch's.")
    dry_run = FlagField(required=False, help_text="True: only report what the act would do.")
    reason = TextField(max_length=500, help_text=_REASON)


class SkippedSerializer(serializers.Serializer[Any]):
    """The cards that were left as they are, counted by reason."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {str(why.value): serializers.IntegerField(help_text=str(why.label)) for why in Skipped}


class RangeReportSerializer(serializers.Serializer[Any]):
    act = serializers.ChoiceField(choices=Act.choices)
    cards = serializers.IntegerField(help_text="How many cards the act named.")
    changed = serializers.IntegerField()
    skipped = SkippedSerializer()


class DealerSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    user_id = serializers.CharField(help_text="The user who sees and activates its cards; empty for none.")
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class NewDealerSerializer(RequestSerializer):
    name = TextField(max_length=MAX_DEALER_NAME_LENGTH)
    user_id = TextField(required=False, allow_blank=True, max_length=255)
    reason = TextField(required=False, allow_blank=True, max_length=500, help_text=_REASON)


class DealerChangeSerializer(RequestSerializer):
    """An absent field keeps its value."""

    name = TextField(required=False, max_length=MAX_DEALER_NAME_LENGTH)
    user_id = TextField(required=False, allow_blank=True, max_length=255)
    reason = TextField(max_length=500, help_text=_REASON)
