"""Finds a code for previews that arrive together: in a rush on one code, they share one query."""

from collections.abc import Sequence

from django.db import connection

from billing.database.group_commit import GroupCommit
from billing.database.shared_read import Read
from promos.models import PromoCode
from promos.queries import find_code


def find_code_together(text: str) -> PromoCode | None:
    """Returns what `find_code` returns for anybody. Requests with one text share the object: never change it."""
    found = None if connection.in_atomic_block else _group.submit(text)
    return found.value if found else find_code(text)


def _find(texts: Sequence[str]) -> list[Read[PromoCode | None]]:
    found = {text: Read(find_code(text)) for text in set(texts)}
    return [found[text] for text in texts]


_group: GroupCommit[str, Read[PromoCode | None]] = GroupCommit(_find)
