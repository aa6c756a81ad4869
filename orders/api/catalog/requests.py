"""The fields of catalog items in requests. A list's row can be sent back whole; what it repeats changes nothing."""

from typing import Any

from django.core.validators import URLValidator, validate_slug
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from billing.api.fields import FlagField, MoneyInput, MoneyRequestSerializer, TextField, WholeNumberField
from billing.api.identifiers import read_id

_MAX_ITEMS = 1_000
_MAX_TEXT = 50_000
_MAX_NUMBER = 2**31 - 1
_IN_ARABIC = "In Arabic, shown to those who read Arabic. Empty: they read the English text."


def _text(length: int, **options: Any) -> TextField:
    return TextField(max_length=length, required=False, allow_blank=True, allow_null=True, **options)


def _texts(length: int = 10_000) -> serializers.ListField:
    return serializers.ListField(
        child=TextField(max_length=length), max_length=_MAX_ITEMS, required=False, allow_null=True
    )


def _number(*, minimum: int = 0, maximum: int = _MAX_NUMBER, **options: Any) -> WholeNumberField:
    return WholeNumberField(required=False, allow_null=True, min_value=minimum, max_value=maximum, **options)


def _refuse_id(slug: str) -> None:
    if read_id(slug):
        raise serializers.ValidationError("a slug must not look like an id")


class ItemRequest(MoneyRequestSerializer):
    """The fields that every catalog item has. Null means 0 for a number, and empty for a text or a list."""

    slug = TextField(max_length=50, validators=[validate_slug, _refuse_id], help_text="Unique among its kind.")
    name = TextField(max_length=100)
    name_ar = _text(100, help_text=_IN_ARABIC)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for amount in self.money:
            for form in amount.forms():
                fields[form].allow_null = True
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        by_source = {str(field.source): field for field in self.fields.values()}
        for name, value in attrs.items():
            if value is None:
                attrs[name] = _empty_value(by_source[name])
        return super().validate(attrs)

    def price_forms(self) -> list[str]:
        """Returns the forms in which the request gives the price; the first form if it gives none."""
        forms = [form for amount in self.money for form in amount.forms()]
        return [form for form in forms if form in self.initial_data] or forms[:1]


def _empty_value(field: serializers.Field[Any, Any, Any, Any]) -> Any:
    if isinstance(field, serializers.ListField):
        return []
    return "" if isinstance(field, serializers.CharField) else 0


class PlanRequest(ItemRequest):
    money = (MoneyInput(name="price", required=False),)

    description = _text(_MAX_TEXT)
    description_ar = _text(_MAX_TEXT, help_text=_IN_ARABIC)
    cpu = _text(50)
    memory = _text(50)
    storage = _text(50)
    popular = FlagField(required=False)
    sort_order = _number(minimum=-_MAX_NUMBER)
    features = _texts()
    features_ar = _texts()
    stripe_price_id = _text(255)


class AddOnRequest(ItemRequest):
    money = (MoneyInput(name="price", required=False),)

    description = _text(_MAX_TEXT)
    description_ar = _text(_MAX_TEXT, help_text=_IN_ARABIC)
    included = FlagField(required=False, help_text="An included add-on costs nothing.")
    category = _text(50)


class AppRequest(ItemRequest):
    tagline = _text(200)
    tagline_ar = _text(200, help_text=_IN_ARABIC)
    description = _text(_MAX_TEXT)
    description_ar = _text(_MAX_TEXT, help_text=_IN_ARABIC)
    category = _text(50)
    category_ar = _text(50, help_text=_IN_ARABIC)
    icon = _text(100)
    icon_bg = _text(20)
    color = _text(20, help_text="Stored as icon_bg. It replaces an icon_bg beside it.")
    free = FlagField(required=False)
    featured = FlagField(required=False)
    popular = FlagField(required=False)
    features = _texts()
    features_ar = _texts()
    website = _text(200, validators=[URLValidator(["http", "https"])])
    license = _text(100)
    dependencies = _texts(50)
    system = FlagField(required=False)
    kind = TextField(max_length=20, required=False)
    shareable = FlagField(required=False)
    deployable = FlagField(required=False, help_text="True for a new app.")
    minimum_size = _text(10)
    recommended_size = _text(10)
    ram_mb = _number()
    cpu_milli = _number()
    disk_gb = _number()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "color" in attrs:
            attrs["icon_bg"] = attrs.pop("color")
        return attrs


class IndustryRequest(ItemRequest):
    emoji = _text(16)
    description = _text(_MAX_TEXT)
    description_ar = _text(_MAX_TEXT, help_text=_IN_ARABIC)
    suggested_apps = _texts(50)
    bundle = _text(50)
    display_order = _number(minimum=-_MAX_NUMBER)


class BundleRequest(ItemRequest):
    tagline = _text(200)
    tagline_ar = _text(200, help_text=_IN_ARABIC)
    apps = _texts(50)
    discount = _number(maximum=100, source="discount_percent", help_text="In percent.")
    recommended_size = _text(10)


def change_of(request: type[ItemRequest]) -> type[ItemRequest]:
    """Makes the serializer of a change: the same fields, none of them required."""

    def get_fields(self: Any) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = request.get_fields(self)
        for field in fields.values():
            field.required = False
        return fields

    name = request.__name__.removesuffix("Request")
    change = type(f"{name}Change", (request,), {"get_fields": get_fields, "__doc__": None})
    return extend_schema_serializer(component_name=f"{name}Change")(change)
