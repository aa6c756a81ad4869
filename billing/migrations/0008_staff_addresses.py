"""Makes the addresses that superadmins entered for staff verified ones, as the console does from now on."""

from django.db import migrations


def vouch_for_staff(apps, schema_editor):
    addresses = apps.get_model("account", "EmailAddress").objects
    staff = apps.get_model("billing", "User").objects.filter(is_staff=True).exclude(email="").order_by("pk")
    for user in staff:
        address = user.email.lower()
        if not addresses.filter(email=address, verified=True).exists():
            addresses.get_or_create(user=user, email=address, defaults={"verified": True, "primary": True})


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_cache"), ("account", "0009_emailaddress_unique_primary_email")]

    operations = [migrations.RunPython(vouch_for_staff, migrations.RunPython.noop)]
