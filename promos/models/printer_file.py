from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .batch import Batch


class PrinterFile(models.Model):
    """The codes of a secret batch, encrypted to the printer's key when they were generated.

    It is handed out once, to one member of staff, who can repeat a download that broke off. Its content is deleted
    when the batch is activated.
    """

    batch = models.OneToOneField(Batch, on_delete=models.PROTECT, primary_key=True, related_name="printer_file")
    content = models.BinaryField()
    size = models.BigIntegerField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of the content, in hexadecimal digits.")
    created_at = models.DateTimeField(db_default=Now())
    handed_to = models.CharField(max_length=255, blank=True, default="", db_default="")
    handed_out_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(handed_to="", handed_out_at__isnull=True)
                | (~Q(handed_to="") & Q(handed_out_at__isnull=False)),
                name="promos_printerfile_handed_out_to_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"printer's file of {self.batch}"
