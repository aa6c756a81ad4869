"""Attacks on the rules of expiring credit. Bob is given 100 that expire in two days, and 10 of it is held."""

from tests.rules import TRIGGERS_OFF, Attack, Attacks, customer, inserting

BOB = customer("bob")
_ENTRY = {
    "account_id": BOB,
    "kind": "'grant'",
    "amount_minor": "100",
    "reason": "'lot'",
    "actor_id": "'root'",
    "actor_role": "'superadmin'",
    "channel": "'api'",
}
LOT = "(SELECT entry_id FROM billing_lot WHERE expires_at IS NOT NULL)"
HOLD = f"(SELECT id FROM billing_hold WHERE account_id = {BOB} ORDER BY id DESC LIMIT 1)"


def _entry(**given: str) -> str:
    return inserting("billing_ledgerentry", {**_ENTRY, **given})


def _expiry(**given: str) -> str:
    return _entry(**{"kind": "'expiry'", "amount_minor": "-90", "lot_id": LOT, "created_at": TOMORROW, **given})


def _lot(**given: str) -> str:
    entry = f"(SELECT id FROM billing_ledgerentry WHERE account_id <> {BOB} ORDER BY id LIMIT 1)"
    row = {"entry_id": entry, "account_id": BOB, "version": "1", "amount_minor": "9", "left_minor": "9"}
    return inserting("billing_lot", {**row, "credit_class": "'sold'", **given})


def _move(**given: str) -> str:
    return inserting("billing_lotmove", {"lot_id": LOT, "amount_minor": "1", **given})


TOMORROW = "date_trunc('day', now()) + interval '2 days'"
MADE = [
    _entry(expires_at=TOMORROW),
    f"INSERT INTO billing_hold (account_id, order_id, amount_minor) VALUES ({BOB}, gen_random_uuid(), 10)",
]
UNGUARDED = [*MADE, TRIGGERS_OFF]

LOTS: Attacks = {
    "billing_ledgerentry_expires_if_it_grants": [
        _entry(kind="'adjustment'", amount_minor="-1", note="'x'", expires_at="now()"),
        Attack(_entry(kind="'spend'", amount_minor="-1", order_id="gen_random_uuid()", expires_at="now()"), MADE),
    ],
    "billing_ledgerentry_expiry_names_lot": [
        Attack(_entry(kind="'expiry'", amount_minor="-1"), MADE),
        Attack(_entry(kind="'spend'", amount_minor="-1", order_id="gen_random_uuid()", lot_id=LOT), MADE),
    ],
    "billing_ledgerentry_credit_class_known": [_entry(credit_class="'free'")],
    "billing_ledgerentry_lot_has_amount": [
        # Too much, too early, of another account, not a lot.
        Attack(_expiry(amount_minor="-91"), MADE),
        Attack(_expiry(created_at="now()"), MADE),
        Attack(_expiry(account_id=customer("ada"), amount_minor="-1"), MADE),
        Attack(_expiry(lot_id="gen_random_uuid()"), MADE),
        _expiry(account_id=customer("ada"), amount_minor="-1", lot_id="gen_random_uuid()"),
    ],
    "billing_lot_covers_entry": [
        Attack(
            _entry(kind="'spend'", amount_minor="-90", order_id="gen_random_uuid()"),
            [
                *UNGUARDED,
                "UPDATE billing_lot SET left_minor = held_minor",
                "SET LOCAL session_replication_role = origin",
            ],
        )
    ],
    "billing_lot_held_within_left_within_amount": [
        Attack(f"UPDATE billing_lot SET {change}", UNGUARDED)
        for change in ("left_minor = amount_minor + 1", "held_minor = left_minor + 1", "held_minor = -1")
    ],
    "billing_lot_credit_class_known": [Attack("UPDATE billing_lot SET credit_class = ''", UNGUARDED)],
    "billing_lot_follows_entries": [Attack(_lot(), MADE), _lot()],
    "billing_lot_moved_by_entries": [
        Attack(f"UPDATE billing_lot SET {change}", MADE)
        for change in ("left_minor = 0, held_minor = 0", "expires_at = NULL", "account_id = account_id + 1")
    ],
    "billing_lot_never_deleted": ["DELETE FROM billing_lot", "TRUNCATE billing_lot CASCADE"],
    "billing_lotmove_follows_entries": [Attack(_move(hold_id=HOLD), MADE)],
    "billing_lotmove_append_only": [
        "DELETE FROM billing_lotmove",
        "UPDATE billing_lotmove SET amount_minor = 1",
        "TRUNCATE billing_lotmove",
    ],
    "billing_lotmove_of_entry_or_hold": [
        Attack(_move(), UNGUARDED),
        Attack(_move(hold_id=HOLD, entry_id=LOT), UNGUARDED),
        Attack(_move(hold_id=HOLD, amount_minor="-1"), UNGUARDED),
        Attack(_move(entry_id=LOT, amount_minor="0"), UNGUARDED),
    ],
    "billing_lotmove_entry_once_per_lot": [Attack(_move(entry_id=LOT), [*UNGUARDED, _move(entry_id=LOT)])],
    "billing_lotmove_hold_once_per_lot": [Attack(_move(hold_id=HOLD), UNGUARDED)],
}
