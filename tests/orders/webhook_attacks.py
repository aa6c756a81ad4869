"""Attacks on the rules of subscribers' endpoints, their deliveries and dead letters, for test_constraints.py."""

from tests.rules import Attack, Attacks, inserting

_ENDPOINT_ID = "'01a20000-0000-7000-8000-000000000001'"
VALID_ENDPOINT = {
    "id": _ENDPOINT_ID,
    "url": "'https://shop.example.com/hooks'",
    "encrypted_secret": "'gAAAAAx'",
    "created_by": "'admin'",
}
VALID_DELIVERY = {
    "endpoint_id": _ENDPOINT_ID,
    "event_id": "(SELECT id FROM orders_outboxevent ORDER BY id LIMIT 1)",
}


def endpoint(**wrong: str) -> str:
    return inserting("orders_webhookendpoint", VALID_ENDPOINT, **wrong)


def delivery(**wrong: str) -> str:
    return inserting("orders_webhookdelivery", VALID_DELIVERY, **wrong)


VALID_LETTER = {"key": "'1'", "topic": "'sme.tenant.events'", "body": "''", "reason": "'no type'"}


def letter(**wrong: str) -> str:
    return inserting("orders_deadletter", VALID_LETTER, **wrong)


WEBHOOKS: Attacks = {
    "orders_deadletter_once": [Attack(letter(), [letter()])],
    "orders_deadletter_has_reason": [letter(reason="''")],
    "orders_webhookendpoint_status_known": [endpoint(status="'lost'")],
    "orders_webhookendpoint_url_form": [
        endpoint(url=url) for url in ("''", "'ftp://example.com/'", "'https://'", "'https://u@example.com/'")
    ],
    "orders_webhookendpoint_pause_has_reason": [endpoint(status="'paused'"), endpoint(pause_reason="'dead'")],
    "orders_webhookendpoint_secrets_encrypted": [
        endpoint(encrypted_secret="'whsec_x'"),
        endpoint(encrypted_previous_secret="'whsec_x'", previous_secret_until="now()"),
    ],
    "orders_webhookendpoint_previous_secret_ends": [
        endpoint(encrypted_previous_secret="'gAAAAAx'"),
        endpoint(previous_secret_until="now()"),
    ],
    "orders_webhookendpoint_failing_since": [
        endpoint(failures="1"),
        endpoint(failing_since="now()"),
        endpoint(failures="-1", failing_since="now()", retry_at="now()"),
    ],
    "orders_webhookendpoint_transition_known": [
        Attack("UPDATE orders_webhookendpoint SET status = 'active'", [endpoint(status="'retired'")]),
        Attack("UPDATE orders_webhookendpoint SET status = 'lost'", [endpoint()]),
    ],
    "orders_webhookendpoint_kept": [
        Attack("DELETE FROM orders_webhookendpoint", [endpoint()]),
        "TRUNCATE orders_webhookendpoint",
    ],
    "orders_webhookdelivery_status_known": [delivery(status="'lost'")],
    "orders_webhookdelivery_delivered_at": [delivery(status="'delivered'"), delivery(delivered_at="now()")],
    "orders_webhookdelivery_attempts_counted": [delivery(attempts="-1")],
    "orders_webhookdelivery_once": [Attack(delivery(), [delivery()])],
    "orders_webhookdelivery_transition_known": [
        Attack(
            "UPDATE orders_webhookdelivery SET status = 'pending', delivered_at = NULL",
            [delivery(status="'delivered'", delivered_at="now()")],
        ),
    ],
}
