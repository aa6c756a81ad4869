from typing import Any

from rest_framework import serializers

from billing.api.fields import TextField

MAX_REFERENCES = 100


class ReferencesField(serializers.ListField):
    """A list of catalog references, each an id or a slug; null counts as empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            child=TextField(max_length=64),
            max_length=MAX_REFERENCES,
            allow_null=True,
            help_text="Ids or slugs.",
            **options,
        )
