"""The catalog: plans, add-ons, apps and bundles that can be ordered. An order keeps the prices of its day."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.widgets import UnfoldAdminTextareaWidget

from billing.admin.console.base import ConsoleAdmin
from billing.admin.console.display import Text, amount, badge, code
from billing.admin.console.forms import AmountField, UneditedValues, reason_field
from billing.language import say, say_lazily
from orders.errors import PriceNotChargeable
from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.use_cases.catalog.check_price import check_price

_MAX_PERCENT = 100
_PRICE_HELP = (
    "In the deployment's currency, with VAT."
    if settings.PRICES_INCLUDE_VAT
    else "In the deployment's currency, without VAT: a checkout adds the VAT of the day."
)


class LinesField(forms.CharField):
    """A list of texts, edited as one text a line."""

    def __init__(self, *, encoder: Any = None, decoder: Any = None, **options: Any) -> None:
        widget = UnfoldAdminTextareaWidget(attrs={"rows": 4})
        # Django would add a hidden field with the initial list, because the field's default is a callable.
        super().__init__(**options | {"widget": widget, "max_length": 10_000, "show_hidden_initial": False})
        self.help_text = "One per line."

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return [line.strip() for line in str(super().to_python(value)).splitlines() if line.strip()]

    def run_validators(self, value: Any) -> None:
        super().run_validators("\n".join(value))

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value


class CatalogForm(UneditedValues, forms.ModelForm):  # type: ignore[type-arg]
    """The fields that every catalog item shares."""

    reason = reason_field()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # The API stores items without them, and the form must be able to save such an item as it is.
        for name in ("cpu", "memory", "storage", "category"):
            if name in self.fields:
                self.fields[name].required = False
        for name, field in self.fields.items():
            if name.endswith("_ar"):
                field.widget.attrs |= {"dir": "auto", "lang": "ar"}

    class Meta:
        labels = {
            "slug": say_lazily("Reference"),
            "cpu": say_lazily("CPU"),
            "cpu_milli": say_lazily("CPU (thousandths)"),
            "ram_mb": say_lazily("Memory (MB)"),
        }


class PricedForm(CatalogForm):
    """An item with a monthly price."""

    price_minor = AmountField(label="Price per month", help_text=_PRICE_HELP)

    def clean_price_minor(self) -> int:
        price: int = self.cleaned_data["price_minor"]
        if price < 0:
            raise forms.ValidationError("A price cannot be negative.")
        if "price_minor" in self.changed_data:
            try:
                check_price(price)
            except PriceNotChargeable as error:
                raise forms.ValidationError(f"{error.text}.") from error
        return price

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("included") and data.get("price_minor"):
            self.add_error("price_minor", "An included add-on costs nothing: its price must be 0.")
        return data


class BundleForm(CatalogForm):
    """A bundle, whose discount is at most 100 percent."""

    def clean_discount_percent(self) -> int:
        percent: int = self.cleaned_data["discount_percent"]
        if percent > _MAX_PERCENT:
            raise forms.ValidationError(say("A discount is at most %(number)s percent.", number=_MAX_PERCENT))
        return percent


class CatalogAdmin(ConsoleAdmin):
    """A catalog item. `active` decides whether it is offered; orders and organizations keep references to it."""

    form = CatalogForm
    formfield_overrides = {
        models.JSONField: {"form_class": LinesField},
        models.URLField: {"assume_scheme": "https"},
    }
    search_fields = ("slug", "name")
    search_help_text = "Reference or name"
    list_filter = ("active",)
    actions = None
    own_fields: tuple[str, ...] = ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ("name", "slug", "active", *self.own_fields)
        known = {field.name for field in self.model._meta.concrete_fields}
        arabic = tuple(f"{name}_ar" for name in fields if f"{name}_ar" in known)
        described = gettext("Shown to those who read Arabic. An empty text leaves the English one.")
        return [
            (None, {"fields": (*fields, "reason")}),
            (gettext("In Arabic"), {"fields": arabic, "description": described}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Clients store references, so an item's reference never changes.
        return ("slug",) if obj else ()

    @admin.display(description="Reference", ordering="slug")
    def reference(self, item: Any) -> Text:
        return code(item.slug)

    @admin.display(description="Offered", ordering="active")
    def offered(self, item: Any) -> Text:
        return badge("offered", "good") if item.active else badge("not offered")

    @admin.display(description="Price per month", ordering="price_minor")
    def price_amount(self, item: Any) -> Text:
        return amount(item.price_minor)


@admin.register(Plan)
class PlanAdmin(CatalogAdmin):
    form = PricedForm
    list_display = ("name", "reference", "price_amount", "cpu", "memory", "storage", "popular", "offered")
    own_fields = (
        "price_minor",
        "description",
        "cpu",
        "memory",
        "storage",
        "popular",
        "sort_order",
        "features",
        "stripe_price_id",
    )


@admin.register(AddOn)
class AddOnAdmin(CatalogAdmin):
    form = PricedForm
    list_display = ("name", "reference", "price_amount", "category", "included", "offered")
    own_fields = ("price_minor", "included", "category", "description")


@admin.register(App)
class AppAdmin(CatalogAdmin):
    list_display = ("name", "reference", "category", "free", "featured", "popular", "deployable", "offered")
    own_fields = (
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
        "ram_mb",
        "cpu_milli",
        "disk_gb",
    )


@admin.register(Industry)
class IndustryAdmin(CatalogAdmin):
    list_display = ("name", "reference", "emoji", "bundle", "display_order", "offered")
    own_fields = ("emoji", "description", "display_order", "suggested_apps", "bundle")


@admin.register(Bundle)
class BundleAdmin(CatalogAdmin):
    form = BundleForm
    list_display = ("name", "reference", "discount_percent", "recommended_size", "offered")
    own_fields = ("tagline", "apps", "discount_percent", "recommended_size")
