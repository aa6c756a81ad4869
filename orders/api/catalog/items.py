"""The fields of catalog items in answers. Prices are per month."""

from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language
from rest_framework import serializers

from billing.api.fields import MIRRORED_CURRENCY, CurrencyField, MajorAmountField, MinorAmountField
from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.models.charge import price_with_vat
from orders.use_cases.documents.vat import load_rates, points_at


class LocalSerializer(serializers.ModelSerializer[Any]):
    """An item whose texts are in Arabic for a client that prefers Arabic, where the item has them."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if get_language() == "ar":
            shown |= {name: text for name in shown if (text := getattr(instance, f"{name}_ar", None))}
        return shown


class _PricedSerializer(LocalSerializer):
    """An item with a price; `price_omr` repeats it while the currency is OMR.

    Where the catalog's prices are without VAT, `price_with_vat_minor` is what a checkout charges.
    """

    price_omr = MajorAmountField(source="price_minor", read_only=True)
    price_minor = MinorAmountField(read_only=True)
    price_with_vat_minor = serializers.SerializerMethodField(
        help_text="What a checkout of today charges. Only where the catalog's prices are without VAT."
    )
    currency = CurrencyField()

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if settings.SOVEREIGN_CURRENCY != MIRRORED_CURRENCY:
            del fields["price_omr"]
        if settings.PRICES_INCLUDE_VAT:
            del fields["price_with_vat_minor"]
        return fields

    def get_price_with_vat_minor(self, item: Plan | AddOn) -> int:
        return price_with_vat(item.price_minor, self._points, currency=settings.SOVEREIGN_CURRENCY)

    @cached_property
    def _points(self) -> int:
        return points_at(load_rates(), timezone.now())


def _text_list() -> serializers.ListField:
    return serializers.ListField(child=serializers.CharField(), read_only=True)


class PlanSerializer(_PricedSerializer):
    features = _text_list()

    class Meta:
        model = Plan
        fields = [
            "id",
            "slug",
            "name",
            "description",
            "cpu",
            "memory",
            "storage",
            "price_omr",
            "price_minor",
            "price_with_vat_minor",
            "currency",
            "popular",
            "sort_order",
            "features",
            "stripe_price_id",
        ]
        read_only_fields = fields


class AddOnSerializer(_PricedSerializer):
    class Meta:
        model = AddOn
        fields = [
            "id",
            "slug",
            "name",
            "description",
            "price_omr",
            "price_minor",
            "price_with_vat_minor",
            "currency",
            "included",
            "category",
        ]
        read_only_fields = fields


class AppSerializer(LocalSerializer):
    features = _text_list()
    dependencies = _text_list()
    website = serializers.CharField(read_only=True, help_text="Empty where the app has none.")

    class Meta:
        model = App
        fields = [
            "id",
            "slug",
            "name",
            "tagline",
            "description",
            "category",
            "icon",
            "icon_bg",
            "free",
            "featured",
            "popular",
            "features",
            "website",
            "license",
            "dependencies",
            "system",
            "kind",
            "shareable",
            "deployable",
            "minimum_size",
            "recommended_size",
        ]
        read_only_fields = fields


class IndustrySerializer(LocalSerializer):
    suggested_apps = _text_list()

    class Meta:
        model = Industry
        fields = ["id", "slug", "name", "emoji", "description", "suggested_apps", "bundle"]
        read_only_fields = fields


class BundleSerializer(LocalSerializer):
    apps = _text_list()
    discount = serializers.IntegerField(source="discount_percent", read_only=True, help_text="In percent.")

    class Meta:
        model = Bundle
        fields = ["id", "slug", "name", "tagline", "apps", "discount", "recommended_size"]
        read_only_fields = fields
