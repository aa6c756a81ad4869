from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class FormSubmission(models.Model):
    """A form of the console that took effect. The same form again changes nothing, and gets the same result."""

    form_id = models.UUIDField(help_text="Made with the page that showed the form.")
    part = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="The record, where one form changes several."
    )
    result = models.TextField(blank=True, default="", db_default="", help_text="What was done, in a sentence.")
    url = models.TextField(blank=True, default="", db_default="", help_text="The page that shows it.")
    submitted_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        # Staff never see it.
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["form_id", "part"], name="billing_formsubmission_once"),
            models.CheckConstraint(
                condition=Q(submitted_at__lt=F("expires_at")), name="billing_formsubmission_expires_later"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.form_id} {self.part}".strip()
