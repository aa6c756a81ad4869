from django.db import models
from django.db.models import Q

# How every Fernet token of the one version there is begins; no key of Stripe's does.
FERNET_PREFIX = "gAAAAA"


def _encrypted(column: str) -> Q:
    """Nothing, cleared, or a Fernet token: never a key as it is."""
    return Q(**{f"{column}__isnull": True}) | Q(**{column: ""}) | Q(**{f"{column}__startswith": FERNET_PREFIX})


class ProcessorSettings(models.Model):
    """The card processor's keys as a superadmin set them: one row, or none.

    Of each key NULL means that the environment's value counts, and the empty text that it was cleared, whatever
    the environment says. Secrets are encrypted (see billing.use_cases.processor_settings).
    """

    ONLY = 1

    id = models.SmallIntegerField(primary_key=True, default=ONLY, editable=False)
    encrypted_secret_key = models.TextField(null=True)  # noqa: DJ001 - NULL and empty differ
    encrypted_webhook_secret = models.TextField(null=True)  # noqa: DJ001 - NULL and empty differ
    public_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - NULL and empty differ
    updated_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "processor settings"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="billing_processorsettings_one_row"),
            models.CheckConstraint(
                condition=_encrypted("encrypted_secret_key"), name="billing_processorsettings_secret_key_encrypted"
            ),
            models.CheckConstraint(
                condition=_encrypted("encrypted_webhook_secret"),
                name="billing_processorsettings_webhook_secret_encrypted",
            ),
        ]

    def __str__(self) -> str:
        return "processor settings"
