"""The JSON shapes of bulk grants."""

from rest_framework import serializers

from billing.api.fields import (
    CsvTextField,
    InstantField,
    MoneyInput,
    MoneyRequestSerializer,
    MoneyResponseSerializer,
    RequestSerializer,
    TextField,
)
from billing.models import BulkGrant, BulkGrantRow, CreditClass


class GrantDraftSerializer(MoneyRequestSerializer):
    """A list of customers, and the terms of their credit."""

    money = (MoneyInput(name="credit", minimum=1, required=False),)

    name = TextField(
        max_length=80, help_text="3 to 80 of a-z, 0-9, '.', '_' and '-'. A customer gets a grant of one name once."
    )
    csv = CsvTextField(
        help_text="The customer (user_id or email) and the amount in each row. Without titles the first column is the"
        " user id or address, and the second the amount. Rows without an amount take `credit_minor`."
    )
    credit_class = serializers.ChoiceField(required=False, choices=CreditClass.choices)
    expires_at = InstantField(required=False, allow_null=True, help_text="When the credit expires. Null: never.")
    reason = TextField(max_length=500, help_text="Kept with every ledger entry.")


class GrantActSerializer(RequestSerializer):
    reason = TextField(max_length=500, help_text="For the audit trail.")


class GrantSerializer(MoneyResponseSerializer):
    """A bulk grant. `progress` counts the rows that the worker is done with."""

    money = ("total",)

    id = serializers.UUIDField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=BulkGrant.Status.choices)
    rows = serializers.IntegerField()
    progress = serializers.IntegerField()
    credit_class = serializers.ChoiceField(choices=CreditClass.choices)
    expires_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()
    drafted_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class GrantCheckSerializer(MoneyResponseSerializer):
    """The effect that a list would have now. Nothing is stored."""

    money = ("total", "already")

    rows = serializers.IntegerField()
    already = serializers.IntegerField(help_text="Customers who have a grant of this name, and are skipped.")
    unknown = serializers.IntegerField(help_text="User ids that have no customer yet.")
    same_list = serializers.ListField(
        child=serializers.CharField(), help_text="Names of earlier bulk grants with exactly these rows."
    )


class GrantRowSerializer(MoneyResponseSerializer):
    """A row of a bulk grant, and what became of it."""

    money = ("amount",)

    line = serializers.IntegerField()
    customer_id = serializers.CharField(source="user_id")
    status = serializers.ChoiceField(choices=BulkGrantRow.Status.choices)
    why = serializers.ChoiceField(
        choices=[("", ""), *BulkGrantRow.Why.choices], help_text="Why it was skipped or kept; else empty."
    )
    entry_id = serializers.UUIDField(allow_null=True, help_text="The ledger entry of the grant.")
