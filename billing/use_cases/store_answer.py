import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from billing.models.idempotency import KEY_LIFE, IdempotencyKey


def fingerprint(body: dict[str, Any]) -> str:
    """Returns a hash of the meaning of a request; bodies of two endpoints never have the same names."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def store_answer(
    *,
    customer_id: int,
    key: str,
    fingerprint: str,
    result_id: UUID,
    balance_minor: int | None,
    session_url: str = "",
    now: datetime,
) -> None:
    """Stores a request's answer under its key for 24 hours; without a balance the answer is still to come.

    Raises: IntegrityError naming `billing_idempotencykey_once` where the key has a live answer. Transaction: joins.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT billing_store_answers(ARRAY[ROW(%s, %s, %s, %s, %s, %s, %s, %s)::billing_answer])",
            [customer_id, key, fingerprint, result_id, balance_minor, session_url, now, now + KEY_LIFE],
        )


def find_answer(*, user_id: str, key: str, now: datetime) -> IdempotencyKey | None:
    """Returns the live answer under a customer's key. One query."""
    return IdempotencyKey.objects.filter(customer__user_id=user_id, key=key, expires_at__gt=now).first()
