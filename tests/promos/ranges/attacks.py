"""Attacks with raw SQL on the rules of dealers and of ranges of cards."""

from tests.promos.cards.attacks import BATCH, GENERATED
from tests.rules import Attack, Attacks, inserting

VALID_DEALER = {"name": "'Muscat Mall'", "created_by": "'noor'"}
VALID_RANGE = {"batch_id": BATCH, "first_serial": "1", "last_serial": "2", "status": "'active'"}


def dealer(**changed: str) -> str:
    return inserting("promos_dealer", VALID_DEALER, **changed)


def dealer_figures(**changed: str) -> str:
    given = {"dealer_id": MALL, "allocated": "2", "activated": "1", "redeemed": "1", "credit_minor": "5"}
    return inserting("promos_dealerfigures", {**given, "as_of": "now()"}, **changed)


def dealer_batch_figures(**changed: str) -> str:
    given = {"dealer_id": MALL, "promo_code_id": "(SELECT min(promo_code_id::text)::uuid FROM promos_batch)"}
    given |= {"allocated": "2", "activated": "1", "redeemed": "1", "credit_minor": "5"}
    return inserting("promos_dealerbatchfigures", given, **changed)


def card_range(**changed: str) -> str:
    return inserting("promos_cardrange", VALID_RANGE, **changed)


def updating(*changes: str) -> str:
    return f"UPDATE promos_cardrange SET {', '.join(changes)}"


MALL, SOUQ = ("(SELECT id FROM promos_dealer WHERE name = 'Muscat Mall')", "(SELECT max(id) FROM promos_dealer)")
ALLOCATED = (*GENERATED, dealer(), dealer(name="'Souq'"), card_range(status="'allocated'", dealer_id=MALL))
ACTIVE = (*GENERATED, card_range())
VOID = (*GENERATED, card_range(status="'void'"))

DEALERS: Attacks = {
    "promos_dealerfigures_within_allocated": [
        Attack(dealer_figures(activated="3"), [dealer()]),
        Attack(dealer_figures(activated="-1"), [dealer()]),
        Attack(dealer_figures(redeemed="3"), [dealer()]),
    ],
    "promos_dealerbatchfigures_within_allocated": [
        Attack(dealer_batch_figures(activated="3"), [*GENERATED, dealer()]),
        Attack(dealer_batch_figures(activated="-1"), [*GENERATED, dealer()]),
        Attack(dealer_batch_figures(redeemed="3"), [*GENERATED, dealer()]),
    ],
    "promos_dealerbatchfigures_once": [
        Attack(dealer_batch_figures(), [*GENERATED, dealer(), dealer_batch_figures()])
    ],
    "promos_dealer_name_given": [dealer(name="''")],
    "promos_dealer_name_once": [Attack(dealer(name="'MUSCAT mall'"), [dealer()])],
    "promos_dealer_public_id_key": [
        Attack(dealer(name="'Souq'", public_id="(SELECT public_id FROM promos_dealer)"), [dealer()])
    ],
    "promos_dealer_user_once": [
        Attack(dealer(name="'Souq'", user_id="'omar'"), [dealer(user_id="'omar'")]),
    ],
    "promos_dealer_never_deleted": [
        Attack("DELETE FROM promos_dealer", [dealer()]),
        "TRUNCATE promos_dealer CASCADE",
    ],
}
RANGES: Attacks = {
    "promos_cardrange_status_known": [Attack(card_range(status="'lost'"), GENERATED)],
    "promos_cardrange_serials_forward": [
        Attack(card_range(first_serial=first, last_serial=last), GENERATED)
        for first, last in (("2", "1"), ("0", "2"))
    ],
    "promos_cardrange_dealer_fits": [
        Attack(card_range(status="'allocated'"), GENERATED),
        Attack(card_range(status="'stock'", dealer_id=MALL), [*GENERATED, dealer()]),
    ],
    "promos_cardrange_void_unlocked": [Attack(card_range(status="'void'", locked="true"), GENERATED)],
    "promos_cardrange_first_serial_once": [
        Attack(
            card_range(),
            ["ALTER TABLE promos_cardrange DROP CONSTRAINT promos_cardrange_serials_apart", *ACTIVE],
        )
    ],
    "promos_cardrange_serials_apart": [Attack(card_range(first_serial="2"), ACTIVE)],
    "promos_cardrange_of_its_batch": [
        Attack(card_range(last_serial="3"), GENERATED),
        Attack(card_range(), GENERATED[:-1]),
    ],
    "promos_cardrange_never_deleted": [
        Attack("DELETE FROM promos_cardrange", ACTIVE),
        "TRUNCATE promos_cardrange",
    ],
    "promos_cardrange_only_shrinks": [
        Attack(updating(change), [*GENERATED, card_range(last_serial="1")])
        for change in ("last_serial = 2", "first_serial = 2, last_serial = 2", "batch_id = -1", "id = -1")
    ],
    "promos_cardrange_transition_known": [
        Attack(updating("status = 'active'"), VOID),
        Attack(updating("status = 'stock'"), VOID),
    ],
    "promos_cardrange_changes_dealer_through_stock": [
        Attack(updating(f"dealer_id = {SOUQ}"), ALLOCATED),
        Attack(updating("dealer_id = NULL", "status = 'active'"), ALLOCATED),
    ],
    "promos_cardrange_split_whole": [
        Attack(updating("last_serial = 1"), ACTIVE),
        Attack(card_range(first_serial="2"), [*VOID, updating("last_serial = 1")]),
    ],
}
