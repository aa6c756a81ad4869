"""Attacks on the rules of merged customers. In the prepared transaction, Eve is merged into Bob."""

from tests.rules import Attack, Attacks, customer, inserting

BOB, CAROL, EVE, MALLORY = customer("bob"), customer("carol"), customer("eve"), customer("mallory")
_ENTRY = {
    "account_id": EVE,
    "kind": "'adjustment'",
    "amount_minor": "5",
    "reason": "'transfer:1'",
    "note": "'x'",
    "actor_id": "'root'",
    "actor_role": "'superadmin'",
    "channel": "'api'",
}


def _entry(**given: str) -> str:
    return inserting("billing_ledgerentry", {**_ENTRY, **given})


def _merging(customer: str, into: str) -> str:
    return f"UPDATE billing_customer SET merged_into_id = {into}, merged_at = now() WHERE id = {customer}"


_ACCOUNT = (
    "INSERT INTO billing_account (customer_id, currency) SELECT id, 'OMR' FROM billing_customer WHERE user_id = "
)
MADE = [
    "INSERT INTO billing_customer (user_id) VALUES ('eve'), ('mallory')",
    f"{_ACCOUNT}'eve'",
    f"{_ACCOUNT}'mallory'",
]
MERGED = [*MADE, _merging(EVE, BOB)]

ERASED = [*MADE, f"UPDATE billing_customer SET erased_at = now() WHERE id = {EVE}"]

MERGES: Attacks = {
    "billing_customer_starts_unerased": ["INSERT INTO billing_customer (user_id, erased_at) VALUES ('eve', now())"],
    "billing_customer_stays_erased": [
        Attack(f"UPDATE billing_customer SET erased_at = NULL WHERE id = {EVE}", ERASED),
        Attack(f"UPDATE billing_customer SET erased_at = now() + interval '1 day' WHERE id = {EVE}", ERASED),
    ],
    "billing_customer_erased_is_empty": [
        Attack(f"UPDATE billing_customer SET {changes} WHERE id = {EVE}", ERASED)
        for changes in ("email = 'eve@example.org'", "language = 'ar'", "declined_mails = '{credit_expires}'")
    ],
    "billing_customer_declines_optional_mails": ["UPDATE billing_customer SET declined_mails = '{renewed}'"],
    "billing_customer_merged_at_fits": [
        Attack(f"UPDATE billing_customer SET merged_into_id = {BOB} WHERE id = {EVE}", MADE),
        Attack(f"UPDATE billing_customer SET merged_at = now() WHERE id = {EVE}", MADE),
        Attack(f"UPDATE billing_customer SET merged_at = NULL WHERE id = {EVE}", MERGED),
    ],
    "billing_customer_starts_unmerged": [
        f"INSERT INTO billing_customer (user_id, merged_into_id, merged_at) VALUES ('eve', {BOB}, now())",
    ],
    "billing_customer_stays_merged": [
        Attack(f"UPDATE billing_customer SET merged_into_id = NULL, merged_at = NULL WHERE id = {EVE}", MERGED),
    ],
    "billing_customer_survivor_not_merged": [
        Attack(_merging(EVE, EVE), MADE),
        Attack(_merging(MALLORY, EVE), MERGED),
        Attack(_merging(BOB, EVE), MERGED),
        Attack(_merging(BOB, MALLORY), MERGED),
    ],
    "billing_ledgerentry_account_open": [
        Attack(_entry(kind="'grant'", reason="'promo:X'"), ERASED),
        Attack(_entry(reason="'adjustment'"), MERGED),
        Attack(_entry(kind="'grant'", reason="'promo:X'"), MERGED),
    ],
    "billing_account_closed_is_empty": [
        Attack(_merging(EVE, BOB), [*MADE, _entry(kind="'grant'", reason="'gift'")]),
        Attack(_entry(account_id=BOB, amount_minor="-5"), [*MERGED, _entry()]),
    ],
    "billing_ledgerentry_transfer_balances": [
        Attack(_entry(), MADE),
        Attack(_entry(amount_minor="-5"), [*MADE, _entry()]),
        Attack(_entry(account_id=MALLORY), [*MADE, _entry()]),
        Attack(
            _entry(amount_minor="6"), [*MADE, _entry(account_id=MALLORY), _entry(account_id=BOB, amount_minor="-11")]
        ),
    ],
    "billing_ledgerentry_reversal_mirrors_entry": [
        Attack(
            _entry(
                kind="'reversal'",
                amount_minor="-5",
                reason="'x'",
                reverses_id="(SELECT id FROM billing_ledgerentry WHERE reason = 'transfer:1' AND amount_minor = 5)",
            ),
            [*MADE, _entry(), _entry(account_id=BOB, amount_minor="-5")],
        ),
    ],
}
