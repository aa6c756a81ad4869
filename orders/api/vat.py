"""The VAT that a total includes, in the answers of a quote, of a checkout and of the lists of orders."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from billing.api.fields import MoneyResponseSerializer, money_fields
from orders.use_cases.documents.vat import IncludedVat


class IncludedVatSerializer(MoneyResponseSerializer):
    money = ("vat", "net")

    basis_points = serializers.IntegerField(help_text="The rate: 500 are 5 percent.")


def vat_fields(vat: IncludedVat | None) -> dict[str, Any]:
    """Returns the member `vat` of an answer that is built without a serializer; nothing where no rate applies."""
    if vat is None:
        return {}
    amounts = {**money_fields("vat", vat.vat_minor), **money_fields("net", vat.net_minor)}
    return {"vat": {"basis_points": vat.basis_points, **amounts, "currency": settings.SOVEREIGN_CURRENCY}}
