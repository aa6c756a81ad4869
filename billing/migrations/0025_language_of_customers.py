from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0024_corrections_index")]

    operations = [
        migrations.AddField(
            "customer", "language", models.CharField(blank=True, db_default="", default="", max_length=7)
        ),
    ]
