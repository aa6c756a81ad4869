"""Dealers have a UUID, by which the API names them."""

from django.db import migrations, models

import billing.models.keys


class Migration(migrations.Migration):
    dependencies = [("promos", "0013_batches_count_their_redeemed_cards")]

    operations = [
        migrations.AddField(
            model_name="dealer",
            name="public_id",
            field=models.UUIDField(
                db_default=billing.models.keys.Uuid7(), editable=False, help_text="Its id in the API.", unique=True
            ),
        ),
    ]
