"""The catalog's texts in Arabic, and the Arabic names on an order's lines. An empty one leaves the English text."""

from django.db import migrations, models


def _text(name, length):
    return models.CharField(
        blank=True, db_default="", default="", max_length=length, verbose_name=f"{name} in Arabic"
    )


def _long_text():
    return models.TextField(blank=True, db_default="", default="", verbose_name="description in Arabic")


def _features():
    return models.JSONField(blank=True, db_default=[], default=list, verbose_name="features in Arabic")


class Migration(migrations.Migration):
    dependencies = [("orders", "0042_bundle_discount_checked")]

    operations = [
        *(
            migrations.AddField(model_name=model, name="name_ar", field=_text("name", 100))
            for model in ("plan", "addon", "app", "industry", "bundle", "orderline")
        ),
        *(
            migrations.AddField(model_name=model, name="description_ar", field=_long_text())
            for model in ("plan", "addon", "app", "industry")
        ),
        *(migrations.AddField(model_name=model, name="features_ar", field=_features()) for model in ("plan", "app")),
        *(
            migrations.AddField(model_name=model, name="tagline_ar", field=_text("tagline", 200))
            for model in ("app", "bundle")
        ),
        migrations.AddField(model_name="app", name="category_ar", field=_text("category", 50)),
    ]
