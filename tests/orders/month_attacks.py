"""Attacks on the rules of the journal and of closed months."""

from tests.rules import Attack, Attacks, inserting

VALID_MONTH = {"month": "'2026-01-01'", "statement": "'{}'", "signature": "''", "closed_by": "'finance'"}
VALID_RATE = {"starts_on": "'2021-04-16'", "basis_points": "500"}


def _month(**wrong: str) -> str:
    return inserting("orders_closedmonth", VALID_MONTH, **wrong)


def _rate(**wrong: str) -> str:
    return inserting("orders_vatrate", VALID_RATE, **wrong)


def _rule(field: str, value: str, event: str = "card.payment") -> str:
    return f"UPDATE orders_postingrule SET {field} = '{value}' WHERE event = '{event}'"


ATTACKS: Attacks = {
    "orders_closedmonth_starts_on_first": [_month(month="'2026-01-02'")],
    "orders_closedmonth_follows_the_last": [
        Attack(_month(month=f"'{month}'"), [_month()]) for month in ("2025-12-01", "2026-01-01", "2026-03-01")
    ],
    "orders_closedmonth_append_only": [
        Attack("UPDATE orders_closedmonth SET statement = '{ }'", [_month()]),
        Attack("DELETE FROM orders_closedmonth", [_month()]),
        "TRUNCATE orders_closedmonth",
    ],
    "orders_vatrate_append_only": [
        Attack("UPDATE orders_vatrate SET basis_points = 0", [_rate()]),
        Attack("DELETE FROM orders_vatrate", [_rate()]),
        "TRUNCATE orders_vatrate",
    ],
    "orders_vatrate_at_most_all": [_rate(basis_points="10001")],
    "orders_vatrate_basis_points_check": [_rate(basis_points="-1")],
    "orders_postingrule_accounts_fit": [
        _rule("debit", ""),
        _rule("debit", "=1+1"),
        _rule("credit", "12 00"),
        _rule("vat", "-1"),
        _rule("cost_centre", "@x"),
    ],
    "orders_postingrule_vat_of_sales": [_rule("vat", "2300", "credit.expired")],
    "orders_postingrule_event_known": [_rule("event", "card.gift", "credit.expired")],
}
