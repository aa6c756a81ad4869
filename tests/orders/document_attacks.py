"""Attacks on the numbers of documents, and on documents that are issued."""

from tests.rules import ORDER, TRIGGERS_OFF, Attack, Attacks, inserting

VALID_DOCUMENT = {
    "kind": "'invoice'",
    "cause": "'order'",
    "series": "'INV-2026'",
    "order_id": ORDER,
    "ledger_entry_id": "(SELECT min(id::text)::uuid FROM billing_ledgerentry)",
    "credit_minor": "9000",
    "card_minor": "0",
    "vat_minor": "429",
    "basis_points": "500",
    "currency": "'OMR'",
    "details": "'{}'",
    "supplied_at": "now()",
}
PAYING = f"""
INSERT INTO orders_cardentry (kind, amount_minor, currency, order_id, stripe_object_id)
VALUES ('payment', 9000, 'OMR', {ORDER}, 'cs_1')
"""
PAYMENT = "(SELECT id FROM orders_cardentry)"
BY_CARD = {"ledger_entry_id": "NULL", "card_entry_id": PAYMENT}


def _document(**wrong: str) -> str:
    return inserting("orders_document", VALID_DOCUMENT, **wrong)


ATTACKS: Attacks = {
    "orders_document_append_only": [
        Attack("UPDATE orders_document SET vat_minor = 0", [_document()]),
        Attack("UPDATE orders_document SET number = 2", [_document()]),
        Attack("DELETE FROM orders_document", [_document()]),
        "TRUNCATE orders_document",
    ],
    "orders_document_series_fits_kind": [
        _document(series="'CN-2026'"),
        _document(series="'INV-26'"),
        _document(series="'INV'"),
    ],
    "orders_document_kind_fits_cause": [
        _document(cause="'refund'"),
        _document(cause="'early_payment'"),
        _document(kind="'credit_note'", series="'CN-2026'"),
        _document(kind="'bill'", series="'CN-2026'"),
        _document(cause="'gift'"),
    ],
    "orders_document_names_entry": [_document(ledger_entry_id="NULL")],
    "orders_document_amount_positive": [
        _document(credit_minor="0", vat_minor="0"),
        _document(credit_minor="-1", vat_minor="0"),
        _document(card_minor="-1"),
    ],
    "orders_document_vat_within_amount": [_document(vat_minor="-1"), _document(vat_minor="9001")],
    "orders_document_basis_points_check": [_document(basis_points="-1")],
    "orders_document_number_once": [
        Attack(_document(number="1", **BY_CARD), [_document(), PAYING, TRIGGERS_OFF]),
    ],
    "orders_document_ledger_entry_id_key": [Attack(_document(), [_document()])],
    "orders_document_card_entry_id_key": [
        Attack(_document(**BY_CARD), [PAYING, _document(**BY_CARD)]),
    ],
    "orders_documentseries_without_gap": [
        "INSERT INTO orders_documentseries (name, last_number) VALUES ('INV-2026', 1)",
        Attack("UPDATE orders_documentseries SET last_number = 2", [_document()]),
        Attack("UPDATE orders_documentseries SET last_number = 0", [_document()]),
        Attack("UPDATE orders_documentseries SET name = 'INV-2027'", [_document()]),
    ],
    "orders_documentseries_stays": [
        Attack("DELETE FROM orders_documentseries", [_document()]),
        "TRUNCATE orders_documentseries",
    ],
    "orders_documentcursor_one_row": ["INSERT INTO orders_documentcursor VALUES (2, gen_random_uuid())"],
    "orders_documentcursor_moves_on": [
        Attack(
            "UPDATE orders_documentcursor SET position = '00000000-0000-0000-0000-000000000000'",
            ["UPDATE orders_documentcursor SET position = gen_random_uuid()"],
        )
    ],
}
