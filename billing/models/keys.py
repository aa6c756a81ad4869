from django.db.models import Func, UUIDField


class Uuid7(Func):
    """A UUID of version 7 (RFC 9562), made by the database: new rows land at the end of their index."""

    function = "billing_uuid7"
    arity = 0
    output_field = UUIDField()
