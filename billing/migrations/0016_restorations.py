from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("billing", "0015_active_holds_index")]

    operations = [
        migrations.CreateModel(
            name="Restoration",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("restored_at", models.DateTimeField(db_default=Now())),
                ("released_at", models.DateTimeField(blank=True, null=True)),
                ("released_by", models.CharField(blank=True, db_default="", default="", max_length=255)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(released_at__isnull=True, released_by="")
                        | (Q(released_at__isnull=False) & ~Q(released_by="")),
                        name="billing_restoration_released_by_someone",
                    )
                ],
            },
        ),
    ]
