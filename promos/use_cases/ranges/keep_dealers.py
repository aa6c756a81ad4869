"""The dealers that cards are allocated to. A dealer is never deleted: ranges and the audit trail name it."""

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor, is_user_id
from billing.errors import ReasonRequired, translate_violations
from billing.language import say
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from promos.errors import DealerNameTaken, DealerNotFound, DealerUserTaken, InvalidDealer
from promos.models import Dealer
from promos.models.card_range import MAX_DEALER_NAME_LENGTH

_REFUSALS = {"promos_dealer_name_once": DealerNameTaken, "promos_dealer_user_once": DealerUserTaken}


def add_dealer(*, name: str, user_id: str = "", by: Actor, reason: str = "") -> Dealer:
    """Adds a dealer.

    Args: user_id: of the user with the role dealer who sees and activates its cards; empty for none.
    Raises: InvalidDealer, DealerNameTaken, DealerUserTaken. Transaction: owns.
    """
    name = _check(name, user_id)
    with transaction.atomic(), translate_violations(_REFUSALS):
        dealer = Dealer.objects.create(name=name, user_id=user_id, created_by=by.user_id)
        changes = {"name": [None, name], "user_id": [None, user_id]}
        _audit(dealer, "dealer.added", changes=changes, by=by, reason=reason)
        return dealer


def change_dealer(*, dealer_id: int, name: str, user_id: str, by: Actor, reason: str) -> Dealer:
    """Renames a dealer, or links it to another user. Ranges and redemptions stay as they are.

    Raises: DealerNotFound, ReasonRequired, and as `add_dealer`. Locks: Dealer. Transaction: owns.
    """
    name = _check(name, user_id)
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic(), translate_violations(_REFUSALS):
        # Races with another member of staff who changes the same dealer.
        dealer = Dealer.objects.select_for_update(no_key=True).filter(id=dealer_id).first()
        if dealer is None:
            raise DealerNotFound
        before = {"name": dealer.name, "user_id": dealer.user_id}
        after = {"name": name, "user_id": user_id}
        if before == after:
            return dealer
        dealer.name, dealer.user_id, dealer.updated_at = name, user_id, timezone.now()
        dealer.save(update_fields=["name", "user_id", "updated_at"])
        changes = {field: [before[field], after[field]] for field in after if before[field] != after[field]}
        _audit(dealer, "dealer.changed", changes=changes, by=by, reason=reason)
        return dealer


def _check(name: str, user_id: str) -> str:
    """Returns the name, trimmed. Raises: InvalidDealer."""
    name, problems = name.strip(), {}
    if not has_visible_text(name) or len(name) > MAX_DEALER_NAME_LENGTH or not name.isprintable():
        problems["name"] = [say("1 to %(number)s characters in one line", number=MAX_DEALER_NAME_LENGTH)]
    if user_id and not is_user_id(user_id):
        problems["user_id"] = ["not a user id"]
    if problems:
        raise InvalidDealer(fields=problems)
    return name


def _audit(
    dealer: Dealer, action: str, *, changes: Mapping[str, Sequence[str | None]], by: Actor, reason: str
) -> None:
    record_audit(action=action, object_type="dealer", object_id=str(dealer.pk), by=by, changes=changes, reason=reason)
