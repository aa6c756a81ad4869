from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0030_mail_choices_checked")]

    operations = [
        migrations.AddField(
            "subscription",
            "reminded_of",
            models.DateTimeField(
                blank=True, help_text="The end of the last period before which a reminder was queued.", null=True
            ),
        ),
    ]
