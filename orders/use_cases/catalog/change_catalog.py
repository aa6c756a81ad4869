"""A superadmin adds, changes and removes catalog items.

An order keeps the names and prices of its day, so no change here alters it. A checkout that is in flight completes
with the catalog that it has read. A removal waits for such checkouts: once it has ended, nobody can buy the item, and
an item that one of them bought is retired, not deleted.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.errors import SlugTaken, translate_violations
from billing.use_cases.record_audit import record_audit
from orders.errors import CatalogItemNotFound, InvalidCatalogItem, SlugInUse
from orders.locks import wait_for_orders_in_flight
from orders.models import AddOn, Plan
from orders.models.catalog import CatalogItem
from orders.queries.items import item_was_sold, other_items_name
from orders.use_cases.catalog.check_price import check_price

Item = TypeVar("Item", bound=CatalogItem)


def add_item(model: type[Item], *, facts: Mapping[str, Any], by: Actor) -> Item:
    """Adds an item with these facts and the defaults of the others. It is offered at once.

    Raises: SlugTaken, also by an item that is no longer offered; InvalidCatalogItem; PriceNotChargeable.
    Transaction: owns.
    """
    free = {"price_minor": 0} if issubclass(model, (Plan, AddOn)) else {}
    item = model(**free | dict(facts))
    _check(item, changed=facts.keys())
    with _refuse_taken_slug(model), transaction.atomic():
        item.save(force_insert=True)
        _audit(item, "created", {name: [None, value] for name, value in _facts(item).items()}, by=by)
    return item


def change_item(model: type[Item], *, item_id: UUID, facts: Mapping[str, Any], by: Actor) -> Item:
    """Gives an offered item these facts. Absent ones keep their value.

    Raises: CatalogItemNotFound; SlugTaken; SlugInUse; InvalidCatalogItem; PriceNotChargeable.
    Transaction: owns. Idempotency: the same facts again change nothing and write no audit entry.
    """
    with _refuse_taken_slug(model), transaction.atomic():
        item = _lock_offered(model, item_id)
        changes = {
            name: [getattr(item, name), value] for name, value in facts.items() if getattr(item, name) != value
        }
        if not changes:
            return item
        if "slug" in changes:
            _check_new_slug(item, slug=facts["slug"])
        for name, (_, value) in changes.items():
            setattr(item, name, value)
        _check(item, changed=changes.keys())
        item.save(update_fields=[*changes])
        _audit(item, "changed", changes, by=by)
    return item


def remove_item(model: type[CatalogItem], *, item_id: UUID, by: Actor) -> None:
    """Removes an offered item. One that was ever sold is retired: it is not offered, and the console still shows it.

    Raises: CatalogItemNotFound. Transaction: owns three: the item is retired; orders in flight are awaited; the item
    is deleted if nothing was ever sold of it. After a crash in between it stays retired.
    """
    with transaction.atomic():
        item = _lock_offered(model, item_id)
        item.active = False
        item.save(update_fields=["active"])
        _audit(item, "retired", {"active": [True, False]}, by=by)
    with transaction.atomic():
        wait_for_orders_in_flight()
    with transaction.atomic():
        item = model._default_manager.select_for_update().get(id=item_id)
        if not item_was_sold(item):
            _audit(item, "deleted", {name: [value, None] for name, value in _facts(item).items()}, by=by)
            item.delete()


def _lock_offered(model: type[Item], item_id: UUID) -> Item:
    # Races with another superadmin who changes the same item: each change is audited from the value that it replaced.
    item = model._default_manager.select_for_update().filter(id=item_id, active=True).first()
    if item is None:
        raise CatalogItemNotFound
    return item


def _check(item: CatalogItem, *, changed: Collection[str]) -> None:
    price_minor = getattr(item, "price_minor", 0)
    if isinstance(item, AddOn) and item.included and price_minor:
        sentence = "an included add-on costs nothing: its price must be 0"
        raise InvalidCatalogItem(f"price: {sentence}", fields={"price_minor": [sentence]})
    if "price_minor" in changed:
        check_price(price_minor)


def _check_new_slug(item: CatalogItem, *, slug: str) -> None:
    """Checks that nothing refers to the item by the slug that it has. Raises: SlugTaken; SlugInUse."""
    if type(item)._default_manager.filter(slug=slug).exists():
        raise SlugTaken
    if item_was_sold(item) or other_items_name(item):
        raise SlugInUse


@contextmanager
def _refuse_taken_slug(model: type[CatalogItem]) -> Iterator[None]:
    with translate_violations({f"{model._meta.db_table}_slug_key": SlugTaken}):
        yield


def _facts(item: CatalogItem) -> dict[str, Any]:
    return {field.attname: getattr(item, field.attname) for field in item._meta.concrete_fields if field.name != "id"}


def _audit(item: CatalogItem, verb: str, changes: Mapping[str, Any], *, by: Actor) -> None:
    kind = str(item._meta.model_name)
    record_audit(action=f"{kind}.{verb}", object_type=kind, object_id=str(item.pk), by=by, changes=changes)
