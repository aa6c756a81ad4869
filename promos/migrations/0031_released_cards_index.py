"""Finds the released redemptions of a card, as the unique index finds the live one."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("promos", "0030_previews_are_counted")]

    operations = [
        AddIndexConcurrently(
            model_name="redemption",
            index=models.Index(
                fields=["card_serial"],
                condition=models.Q(status="released", card_serial__isnull=False),
                name="promos_released_of_card",
            ),
        ),
    ]
