"""Attacks with raw SQL on the rules of batches and cards."""

from tests.rules import Attack, Attacks, code, customer, inserting

VALID_TERMS = {
    "code": "'BATCH'",
    "credit_minor": "100",
    "currency": "'OMR'",
    "issued_by": "'root'",
    "for_cards": "true",
    "active": "false",
}
VALID_BATCH = {
    "promo_code_id": code("BATCH"),
    "pattern": "'####-####-####'",
    "alphabet": "'letters'",
    "size": "2",
    "first_serial": "1",
    "created_by": "'noor'",
}
BATCH = "(SELECT max(id) FROM promos_batch)"


def terms(**changed: str) -> str:
    return inserting("promos_promocode", VALID_TERMS, **changed)


def batch(**changed: str) -> str:
    return inserting("promos_batch", VALID_BATCH, **changed)


def card(serial: int = 1, text: str = "CARD1", **changed: str) -> str:
    return inserting("promos_card", {"serial": str(serial), "batch_id": BATCH, "code": f"'{text}'"}, **changed)


def moving(state: str, **changed: str) -> str:
    changes = {"status": f"'{state}'", **changed}
    return f"UPDATE promos_batch SET {', '.join(f'{name} = {value}' for name, value in changes.items())}"


def redeemed(serial: str, promo: str = code("BATCH"), owner: str = "dave") -> str:
    return inserting(
        "promos_redemption",
        {
            "promo_code_id": promo,
            "card_serial": serial,
            "customer_id": customer(owner),
            "credit_minor": "100",
            "status": "'reserved'",
        },
    )


DRAFT = (terms(), batch())
APPROVED = (*DRAFT, moving("approved", approved_by="'salma'"))
GENERATED = (*APPROVED, card(), card(2, "CARD2"), moving("generated", generated="2"))
OTHER = terms(code="'OTHER'")

BATCHES: Attacks = {
    "promos_batch_promo_code_id_key": [Attack(batch(first_serial="10"), DRAFT)],
    "promos_batch_status_known": [
        Attack(
            moving("lost"),
            [
                "DROP TRIGGER promos_batch_transition_known ON promos_batch",
                "ALTER TABLE promos_batch DROP CONSTRAINT promos_batch_generated_before_use",
                "ALTER TABLE promos_batch DROP CONSTRAINT promos_batch_approved_by_another",
                *DRAFT,
            ],
        )
    ],
    "promos_batch_pattern_form": [
        Attack(batch(pattern=text), [terms()]) for text in ("''", "'####'", "'###### '", "'abc###'", "'=######'")
    ],
    "promos_batch_alphabet_known": [Attack(batch(alphabet=text), [terms()]) for text in ("''", "'emoji'")],
    "promos_batch_size_in_bounds": [Attack(batch(size=size), [terms()]) for size in ("0", "1000001")],
    "promos_batch_serial_positive": [Attack(batch(first_serial=first), [terms()]) for first in ("0", "-5")],
    "promos_batch_serials_apart": [
        Attack(batch(promo_code_id=code("OTHER"), first_serial=first), [*DRAFT, OTHER]) for first in ("1", "2")
    ],
    "promos_batch_generated_within_size": [
        Attack(f"UPDATE promos_batch SET generated = {count}", DRAFT) for count in ("-1", "3")
    ],
    "promos_batch_redeemed_within_size": [
        Attack(f"UPDATE promos_batch SET redeemed = {count}", DRAFT) for count in ("-1", "3")
    ],
    "promos_batch_generated_before_use": [Attack(moving("generated", generated="1"), APPROVED)],
    "promos_batch_approved_by_another": [
        Attack(moving("approved", approved_by=name), DRAFT) for name in ("''", "'noor'")
    ],
    "promos_batch_never_deleted": [
        Attack("DELETE FROM promos_batch", DRAFT),
        "TRUNCATE promos_batch CASCADE",
    ],
    "promos_batch_identity_fixed": [
        Attack(f"UPDATE promos_batch SET {change}", [*DRAFT, OTHER])
        for change in (
            "size = 3",
            "pattern = '######'",
            "alphabet = 'digits'",
            "first_serial = 7",
            "created_by = 'salma'",
            "printer_key = 'age1other'",
            f"promo_code_id = {code('OTHER')}",
        )
    ],
    "promos_batch_starts_draft": [
        Attack(batch(status="'approved'", approved_by="'salma'"), [terms()]),
        Attack(batch(generated="2"), [terms()]),
    ],
    "promos_batch_transition_known": [
        Attack(moving("active"), GENERATED),
        Attack(moving("draft"), APPROVED),
        Attack(moving("released"), [*GENERATED, moving("void")]),
    ],
}
PRINTER_FILE = {"batch_id": BATCH, "content": "'x'", "size": "1", "digest": "'d'"}
HANDED_OUT = "UPDATE promos_printerfile SET handed_to = 'noor', handed_out_at = now()"
FILED = (*DRAFT, inserting("promos_printerfile", PRINTER_FILE))
PRINTER_FILES: Attacks = {
    "promos_printerfile_handed_out_to_somebody": [
        Attack("UPDATE promos_printerfile SET handed_to = 'noor'", FILED),
        Attack("UPDATE promos_printerfile SET handed_out_at = now()", FILED),
    ],
    "promos_printerfile_never_deleted": [
        Attack("DELETE FROM promos_printerfile", FILED),
        "TRUNCATE promos_printerfile",
    ],
    "promos_printerfile_handed_out_once": [
        Attack("UPDATE promos_printerfile SET handed_to = 'salma'", [*FILED, HANDED_OUT]),
        Attack("UPDATE promos_printerfile SET handed_to = '', handed_out_at = NULL", [*FILED, HANDED_OUT]),
        Attack("UPDATE promos_printerfile SET content = 'other'", FILED),
        Attack("UPDATE promos_printerfile SET digest = 'other'", FILED),
        Attack("UPDATE promos_printerfile SET size = 2", FILED),
    ],
}
CARDS: Attacks = {
    "promos_card_code_once": [Attack(card(2), [*APPROVED, card()])],
    "promos_card_of_its_batch": [
        Attack(card(), DRAFT),
        Attack(card(3), APPROVED),
        Attack(card(0), APPROVED),
        Attack(card(batch_id="-1"), APPROVED),
        Attack(card(), [*APPROVED, moving("void")]),
    ],
    "promos_card_never_deleted": [
        Attack("DELETE FROM promos_card", GENERATED),
        Attack("TRUNCATE promos_card", GENERATED),
    ],
    "promos_card_never_changes": [
        Attack("UPDATE promos_card SET code = 'EASY'", GENERATED),
        Attack("UPDATE promos_card SET serial = 9 WHERE serial = 1", GENERATED),
    ],
    "promos_promocode_cards_uncapped": [terms(max_redemptions="5"), terms(hot="true")],
    "promos_promocode_active_with_batch": [
        terms(active="true"),
        Attack("UPDATE promos_promocode SET active = true WHERE code = 'BATCH'", GENERATED),
    ],
    "promos_promocode_stays_for_cards": [
        Attack("UPDATE promos_promocode SET for_cards = false WHERE code = 'BATCH'", DRAFT),
        "UPDATE promos_promocode SET for_cards = true, active = false, max_redemptions = 0 WHERE code = 'OPEN'",
    ],
    "promos_redemption_once_per_card": [Attack(redeemed("1", owner="bob"), [*GENERATED, redeemed("1")])],
    "promos_redemption_card_exists": [
        Attack(redeemed("3"), GENERATED),
        Attack(redeemed("1", code("OPEN")), GENERATED),
        Attack(
            redeemed("1", code("OTHER")),
            [*GENERATED, OTHER, batch(promo_code_id=code("OTHER"), first_serial="10")],
        ),
    ],
}
# A redemption by the terms of cards names a card.
NO_CARD = [Attack(redeemed("NULL"), GENERATED)]
