"""Names people by their e-mail address in place of their user id, where this service knows them."""

from collections.abc import Iterable

from django.db.models import CharField, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, NullIf

from billing.models import User


def name_of(column: str) -> Coalesce:
    """Returns an annotation: the e-mail address of the user whose id the column holds, or that id.

    Lists and records are annotated with it, so a page sends no more queries.
    """
    email = Subquery(User.objects.filter(sub=OuterRef(column)).values("email")[:1])
    return Coalesce(NullIf(email, Value("")), column, output_field=CharField())


def names_of(user_ids: Iterable[str]) -> dict[str, str]:
    """Returns the same name by user id, for ids that are not a column of a query. One query."""
    ids = set(user_ids)
    known = User.objects.filter(sub__in=ids).exclude(email="").values_list("sub", "email")
    return {each: each for each in ids} | dict(known)
