"""The pages of bulk grants."""

from . import bulk_grants

__all__ = ["bulk_grants"]
