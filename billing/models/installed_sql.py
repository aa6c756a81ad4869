from django.db import models


class InstalledSql(models.Model):
    """An SQL file as `migrate` installed it last, so that an unchanged one is not run again and locks nothing."""

    path = models.CharField(max_length=200, primary_key=True, help_text="From the project's root.")
    sha256 = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "installed SQL files"

    def __str__(self) -> str:
        return self.path
