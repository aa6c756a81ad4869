from django.db import migrations, models


def encrypted(column):
    return models.Q((f"{column}__isnull", True), (column, ""), (f"{column}__startswith", "gAAAAA"), _connector="OR")


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_staff_groups")]

    operations = [
        migrations.CreateModel(
            name="ProcessorSettings",
            fields=[
                ("id", models.SmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ("encrypted_secret_key", models.TextField(null=True)),
                ("encrypted_webhook_secret", models.TextField(null=True)),
                ("public_key", models.CharField(max_length=255, null=True)),
                ("updated_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "processor settings",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="billing_processorsettings_one_row"),
                    models.CheckConstraint(
                        condition=encrypted("encrypted_secret_key"),
                        name="billing_processorsettings_secret_key_encrypted",
                    ),
                    models.CheckConstraint(
                        condition=encrypted("encrypted_webhook_secret"),
                        name="billing_processorsettings_webhook_secret_encrypted",
                    ),
                ],
            },
        ),
    ]
