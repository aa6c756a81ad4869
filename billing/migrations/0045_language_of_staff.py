from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0044_vat_numbers_checked")]

    operations = [
        migrations.AddField(
            "user",
            "language",
            models.CharField(blank=True, db_default="", default="", editable=False, max_length=7),
        ),
    ]
