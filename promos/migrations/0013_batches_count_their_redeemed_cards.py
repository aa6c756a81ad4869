"""A batch holds the number of its redeemed cards as the worker counted them last, so that a list counts nothing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("promos", "0012_restrictions")]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="redeemed",
            field=models.IntegerField(
                db_default=0, default=0, help_text="Its redeemed cards, as the worker counted them last."
            ),
        ),
        migrations.AddField(
            model_name="batch",
            name="redeemed_counted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("redeemed__gte", 0), ("redeemed__lte", models.F("size"))),
                name="promos_batch_redeemed_within_size",
            ),
        ),
    ]
