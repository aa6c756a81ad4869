"""Guards: an instant is read by one strict rule, and people read times in the Sovereign's zone."""

import re

from .product import PROJECT, callers_of, product_files

OWN_TEXT = "the text was written by the service itself"
READERS = {
    "billing/local_time.py read_instant": "the one rule, for request bodies and commands",
    "billing/local_time.py read_written_time": "a person's local time, by a pattern of its own; else by the one rule",
    "billing/admin/console/forms.py to_python": "a browser's input of a local time, by a pattern of its own",
    "billing/admin/audit.py _format_time": OWN_TEXT,
    "billing/admin/console/lists.py _after": OWN_TEXT,
    "billing/api/pagination.py _read_cursor": OWN_TEXT,
    "billing/use_cases/find_after_lost_connection.py find_unknown": OWN_TEXT,
    "billing/use_cases/bulk/propose_bulk_grant.py _differences": OWN_TEXT,
    "orders/admin/operations/deployments.py _time": OWN_TEXT,
    "orders/use_cases/trail/move_credit_in.py _bring_in": OWN_TEXT,
    "orders/use_cases/webhooks/endpoint_secrets.py _read_earlier_secrets": OWN_TEXT,
    "orders/use_cases/trail/read_trail.py _trail": "another Sovereign wrote and signed the text",
    "promos/admin/campaign_lists.py read": OWN_TEXT,
    "promos/admin/forecasts.py forecast_facts": OWN_TEXT,
    "promos/admin/oversight/attempts.py _value": OWN_TEXT,
    "promos/api/forecasts.py forecast_row": OWN_TEXT,
    "promos/api/forecasts.py offer_forecast_row": OWN_TEXT,
    "promos/use_cases/approvals/propose_issue.py _with_instants": OWN_TEXT,
    "promos/use_cases/approvals/written_terms.py _write_instant": OWN_TEXT,
    "promos/use_cases/attempts/measure_use.py count_refusals": OWN_TEXT,
    "promos/use_cases/attempts/measure_use.py measure_use": OWN_TEXT,
    "promos/use_cases/code_import/forecast_codes.py _forecast": OWN_TEXT,
    "promos/use_cases/code_import/import_codes.py _terms": OWN_TEXT,
}
FORMATTED = re.compile(r"\|\s*(date|time)\b")
IN_ZONE = re.compile(r"{% timezone time_zone %}")
PAGES = re.compile(r"{% (extends|include) \"([^\"]+)\"")


def test_every_reader_of_an_instant_is_listed() -> None:
    assert callers_of("fromisoformat", "strptime", "parse_datetime", "parse_date") == set(READERS)


def templates() -> dict[str, str]:
    roots = [PROJECT / "templates", *(path for path in product_files("templates") if path.is_dir())]
    return {str(path.relative_to(root)): path.read_text() for root in roots for path in root.rglob("*.html")}


def users_of(name: str, texts: dict[str, str]) -> list[str]:
    return [
        other
        for other, text in texts.items()
        for kind, used in PAGES.findall(text)
        if kind == "include" and used == name
    ]


def is_in_zone(name: str, texts: dict[str, str]) -> bool:
    """Returns whether the template, what it extends or all that include it set the Sovereign's zone."""
    if IN_ZONE.search(texts[name]):
        return True
    parents = [used for kind, used in PAGES.findall(texts[name]) if kind == "extends"] or users_of(name, texts)
    return bool(parents) and all(parent in texts and is_in_zone(parent, texts) for parent in parents)


def test_every_template_with_a_time_sets_the_sovereigns_zone() -> None:
    texts = templates()
    formatted = [name for name, text in texts.items() if FORMATTED.search(text)]
    assert len(formatted) > 5
    assert [name for name in formatted if not is_in_zone(name, texts)] == []
