"""The catalog: all that can be ordered. Ids are stable: a seeded item's id follows from its kind and slug.

Texts are in English. The fields whose names end in `_ar` have them in Arabic; an empty one leaves the English text.
"""

from uuid import UUID, uuid4, uuid5

from django.db import models
from django.db.models import Q

from billing.language import in_language

# A category of so few letters is an abbreviation, such as CRM.
_INITIALS = 3
_NAMESPACE = UUID("7f6d3a52-54c4-5d0c-9a5e-0c4f9f3d4f0e")


def catalog_id(kind: str, slug: str) -> UUID:
    """Returns the id of a seeded catalog item: the same in every deployment, so that clients may keep it."""
    return uuid5(_NAMESPACE, f"{kind}:{slug}")


class CatalogItem(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    name_ar = models.CharField("name in Arabic", max_length=100, blank=True, default="", db_default="")
    active = models.BooleanField(default=True, help_text="Offered now. Orders keep what they bought.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    @property
    def local_name(self) -> str:
        """The name in the active language."""
        return in_language(self.name, self.name_ar)


class CatalogVersion(models.Model):
    """The version of all items of the catalog together: one row, kept by triggers (see catalog.sql)."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    version = models.UUIDField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="orders_catalogversion_one_row")]

    def __str__(self) -> str:
        return str(self.version)


class Plan(CatalogItem):
    description = models.TextField(blank=True, default="")
    description_ar = models.TextField("description in Arabic", blank=True, default="", db_default="")
    cpu = models.CharField(max_length=50)
    memory = models.CharField(max_length=50)
    storage = models.CharField(max_length=50)
    price_minor = models.BigIntegerField(help_text="A month's price, smallest unit.")
    popular = models.BooleanField(default=False)
    sort_order = models.IntegerField(default=0)
    features = models.JSONField(default=list, blank=True)
    features_ar = models.JSONField("features in Arabic", default=list, db_default=[], blank=True)
    stripe_price_id = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        ordering = ["sort_order", "slug"]
        constraints = [
            models.CheckConstraint(condition=Q(price_minor__gte=0), name="orders_plan_price_not_negative"),
        ]

    @property
    def local_description(self) -> str:
        """The description in the active language."""
        return in_language(self.description, self.description_ar)

    @property
    def local_features(self) -> list[str]:
        """The features in the active language."""
        return in_language(self.features, self.features_ar)


class AddOn(CatalogItem):
    description = models.TextField(blank=True, default="")
    description_ar = models.TextField("description in Arabic", blank=True, default="", db_default="")
    price_minor = models.BigIntegerField(help_text="A month's price, smallest unit.")
    included = models.BooleanField(default=False)
    category = models.CharField(max_length=50)

    class Meta:
        ordering = ["category", "slug"]
        verbose_name = "add-on"
        constraints = [
            models.CheckConstraint(condition=Q(price_minor__gte=0), name="orders_addon_price_not_negative"),
            models.CheckConstraint(
                condition=Q(included=False) | Q(price_minor=0), name="orders_addon_included_is_free"
            ),
        ]

    @property
    def local_description(self) -> str:
        """The description in the active language."""
        return in_language(self.description, self.description_ar)


class App(CatalogItem):
    tagline = models.CharField(max_length=200, blank=True, default="")
    tagline_ar = models.CharField("tagline in Arabic", max_length=200, blank=True, default="", db_default="")
    description = models.TextField(blank=True, default="")
    description_ar = models.TextField("description in Arabic", blank=True, default="", db_default="")
    category = models.CharField(max_length=50)
    category_ar = models.CharField("category in Arabic", max_length=50, blank=True, default="", db_default="")
    icon = models.CharField(max_length=100, blank=True, default="")
    icon_bg = models.CharField(max_length=20, blank=True, default="")
    free = models.BooleanField(default=True)
    featured = models.BooleanField(default=False)
    popular = models.BooleanField(default=False)
    features = models.JSONField(default=list, blank=True)
    features_ar = models.JSONField("features in Arabic", default=list, db_default=[], blank=True)
    website = models.URLField(blank=True, default="")
    license = models.CharField(max_length=100, blank=True, default="")
    dependencies = models.JSONField(default=list, blank=True)
    system = models.BooleanField(default=False)
    kind = models.CharField(max_length=20, default="app")
    shareable = models.BooleanField(default=False)
    deployable = models.BooleanField(default=True)
    minimum_size = models.CharField(max_length=10, blank=True, default="")
    recommended_size = models.CharField(max_length=10, blank=True, default="")
    ram_mb = models.PositiveIntegerField(default=0)
    cpu_milli = models.PositiveIntegerField(default=0)
    disk_gb = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["category", "slug"]

    @property
    def local_tagline(self) -> str:
        """The tagline in the active language."""
        return in_language(self.tagline, self.tagline_ar)

    @property
    def local_category(self) -> str:
        """The category in the active language, as people read it: without dashes, and with capital initials."""
        words = self.category.replace("-", " ")
        readable = words.upper() if len(words) <= _INITIALS else words[:1].upper() + words[1:]
        return in_language(readable, self.category_ar)


class Industry(CatalogItem):
    emoji = models.CharField(max_length=16, blank=True, default="")
    description = models.TextField(blank=True, default="")
    description_ar = models.TextField("description in Arabic", blank=True, default="", db_default="")
    display_order = models.IntegerField(default=0)
    suggested_apps = models.JSONField(default=list, blank=True)
    bundle = models.CharField(max_length=50, blank=True, default="")

    class Meta:
        ordering = ["display_order", "slug"]
        verbose_name_plural = "industries"


class Bundle(CatalogItem):
    tagline = models.CharField(max_length=200, blank=True, default="")
    tagline_ar = models.CharField("tagline in Arabic", max_length=200, blank=True, default="", db_default="")
    apps = models.JSONField(default=list, blank=True)
    discount_percent = models.PositiveSmallIntegerField(default=0)
    recommended_size = models.CharField(max_length=10, blank=True, default="")

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(condition=Q(discount_percent__lte=100), name="orders_bundle_discount_at_most_all"),
        ]

    @property
    def local_tagline(self) -> str:
        """The tagline in the active language."""
        return in_language(self.tagline, self.tagline_ar)
