"""Each role may do exactly its actions in the console, on every model."""

import importlib
from http import HTTPStatus

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from billing.actor import (
    APPROVER,
    AUDITOR,
    CUSTOMER,
    DEALER,
    FINANCE,
    SOVEREIGN_ADMIN,
    STAFF_ROLES,
    SUPERADMIN,
    SUPPORT,
)
from promos.models import Dealer
from tests.console import NO_ROLE, SUPERUSER, client_of, create_one_of_each, create_user
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db

# v: sees list and page; a: adds; c: changes. Nothing is ever deleted.
RECORDS = (
    "billing_auditentry",
    "billing_customer",
    "billing_hold",
    "billing_invoice",
    "billing_ledgercheck",
    "billing_ledgerentry",
    "billing_ledgerhead",
    "billing_organization",
    "billing_subscription",
    "orders_deadletter",
    "orders_cardentry",
    "orders_document",
    "orders_order",
    "orders_outboxevent",
    "orders_webhookdelivery",
    "procrastinate_procrastinatejob",
    "promos_redemption",
)
BOOKS = {"orders_closedmonth": "va", "orders_postingrule": "vc", "orders_vatrate": "va"}
CATALOG = ("orders_plan", "orders_addon", "orders_app", "orders_industry", "orders_bundle")
# Pages of their own change a campaign and a batch.
VOUCHERS = {
    "promos_promocode": "vac",
    "promos_campaign": "va",
    "promos_batch": "va",
    "promos_card": "v",
    "promos_cardrange": "v",
    "promos_dealer": "vac",
    "promos_refusedattempt": "v",
    "promos_alert": "v",
}
GRANTS = {"billing_bulkgrant": "va"}
EVERYTHING = {
    **GRANTS,
    **dict.fromkeys(RECORDS, "v"),
    **dict.fromkeys(CATALOG, "vac"),
    **VOUCHERS,
    **BOOKS,
    "billing_user": "vac",
    "billing_proposal": "v",
    "orders_webhookendpoint": "va",
}
MATRIX = {
    SUPERUSER: EVERYTHING,
    SUPERADMIN: EVERYTHING,
    SOVEREIGN_ADMIN: {**VOUCHERS, **GRANTS, "billing_proposal": "v"},
    APPROVER: dict.fromkeys(
        (
            "billing_bulkgrant",
            "billing_proposal",
            "billing_customer",
            "promos_promocode",
            "promos_campaign",
            "promos_batch",
            "promos_card",
            "promos_cardrange",
            "promos_dealer",
            "orders_order",
        ),
        "v",
    ),
    FINANCE: dict.fromkeys(
        (
            "billing_bulkgrant",
            "billing_customer",
            "billing_hold",
            "billing_invoice",
            "billing_ledgercheck",
            "billing_ledgerentry",
            "billing_ledgerhead",
            "billing_subscription",
            "orders_order",
            "promos_batch",
            "promos_campaign",
            "promos_card",
            "promos_cardrange",
            "promos_dealer",
            "promos_promocode",
            "promos_redemption",
            "orders_cardentry",
            "orders_document",
        ),
        "v",
    )
    | BOOKS,
    SUPPORT: dict.fromkeys(
        (
            "billing_bulkgrant",
            "billing_customer",
            "billing_hold",
            "billing_invoice",
            "billing_ledgerentry",
            "billing_organization",
            "billing_proposal",
            "billing_subscription",
            "orders_order",
            "promos_batch",
            "promos_campaign",
            "promos_card",
            "promos_cardrange",
            "promos_dealer",
            "promos_promocode",
            "promos_redemption",
            "promos_refusedattempt",
            "orders_document",
            "orders_outboxevent",
        ),
        "v",
    ),
    AUDITOR: dict.fromkeys((*RECORDS, *VOUCHERS, *GRANTS, *BOOKS, "billing_proposal", "orders_webhookendpoint"), "v"),
    DEALER: {"promos_cardrange": "v"},
    NO_ROLE: {},
}
# Whose roles are shown in tests/orders/admin/test_admin_payments.py, test_admin_mirrored.py and beside the keys.
CARD_PAYMENTS = {
    "billing_processorsettings",
    "orders_break",
    "orders_payment",
    "orders_refund",
    "orders_stripeevent",
}
# Their roles are tested in tests/orders/admin/test_admin_deployments.py.
DEPLOYMENTS = {"orders_appjob", "orders_provision"}
# Changes by pages of our own: the page, its model, and the roles that may use it.
_SUPERADMINS = (SUPERUSER, SUPERADMIN)
CORRECTIONS = (
    ("admin:billing_customer_adjust", "billing_customer", (*_SUPERADMINS, SUPPORT)),
    ("admin:billing_customer_email", "billing_customer", (*_SUPERADMINS, SUPPORT)),
    ("admin:billing_customer_merge", "billing_customer", _SUPERADMINS),
    ("admin:billing_customer_erase", "billing_customer", _SUPERADMINS),
    ("admin:billing_ledgerentry_reverse", "billing_ledgerentry", _SUPERADMINS),
    ("admin:promos_redemption_release", "promos_redemption", (*_SUPERADMINS, SUPPORT)),
    ("admin:orders_order_refund", "orders_order", (*_SUPERADMINS, SUPPORT)),
    ("admin:orders_order_close", "orders_order", _SUPERADMINS),
    ("admin:orders_outboxevent_resend", "orders_outboxevent", (*_SUPERADMINS, SUPPORT)),
)


def answers(client: Client, name: str, key: object) -> str:
    """Return what the console lets this client do with a model, in the letters of the matrix; `d` is deletion."""
    change = reverse(f"admin:{name}_change", args=[key])
    asked = {
        "v": client.get(reverse(f"admin:{name}_changelist")).status_code,
        "a": client.get(reverse(f"admin:{name}_add")).status_code,
        "c": client.post(change, {}).status_code,
        "d": client.get(reverse(f"admin:{name}_delete", args=[key])).status_code,
    }
    assert set(asked.values()) <= {HTTPStatus.OK, HTTPStatus.FORBIDDEN}
    assert client.get(change).status_code == asked["v"]
    assert client.post(reverse(f"admin:{name}_add"), {}).status_code == asked["a"]
    deleted = client.post(reverse(f"admin:{name}_delete", args=[key]), {"post": "yes"})
    assert deleted.status_code == HTTPStatus.FORBIDDEN
    return "".join(letter for letter, status in asked.items() if status == HTTPStatus.OK)


@pytest.mark.parametrize("role", MATRIX)
def test_a_role_may_do_exactly_the_actions_of_the_matrix(role: str) -> None:
    keys = create_one_of_each()
    user = create_user(role)
    if role == DEALER:
        Dealer.objects.update(user_id=user.sub)
    client = client_of(user)
    with nothing_changes():
        found = {name: may for name, key in keys.items() if (may := answers(client, name, key))}
    assert found == MATRIX[role]


def test_the_matrix_names_every_model_of_the_console() -> None:
    registered = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}
    mirrored = {name for name in registered if name.startswith("djstripe_")}
    assert registered - mirrored - CARD_PAYMENTS - DEPLOYMENTS == EVERYTHING.keys()


@pytest.mark.parametrize("role", MATRIX)
def test_superadmins_correct_money_and_support_a_part_of_it(role: str) -> None:
    keys = create_one_of_each()
    client = client_of(create_user(role))
    with nothing_changes():
        for page, name, roles in CORRECTIONS:
            may = HTTPStatus.OK if role in roles else HTTPStatus.FORBIDDEN
            address = reverse(page, args=[keys[name]])
            assert client.get(address).status_code == may
            assert client.post(address, {}).status_code == may


@pytest.mark.parametrize("role", MATRIX)
def test_approvers_and_superadmins_decide_proposals(role: str) -> None:
    key = create_one_of_each()["billing_proposal"]
    client = client_of(create_user(role))
    may = HTTPStatus.OK if role in (SUPERUSER, SUPERADMIN, APPROVER) else HTTPStatus.FORBIDDEN
    with nothing_changes():
        for verb, answer in (("approve", may), ("reject", may), ("withdraw", HTTPStatus.FORBIDDEN)):
            address = reverse(f"admin:billing_proposal_{verb}", args=[key])
            assert client.get(address).status_code == answer
            assert client.post(address, {}).status_code == answer


@pytest.mark.parametrize("role", MATRIX)
def test_roles_that_change_vouchers_change_their_state(role: str) -> None:
    key = str(create_one_of_each()["promos_promocode"])
    client = client_of(create_user(role))
    allowed = "c" in MATRIX[role].get("promos_promocode", "")
    may = HTTPStatus.OK if allowed else HTTPStatus.FORBIDDEN
    with nothing_changes():
        for verb in ("pause", "resume", "retire"):
            address = reverse(f"admin:promos_promocode_{verb}")
            assert client.get(address, {"id": key}).status_code == may
            assert client.post(address, {"id": key}).status_code == may


@pytest.mark.parametrize("role", [AUDITOR, SUPERADMIN, SUPERUSER])
def test_a_record_has_no_action_to_run(role: str) -> None:
    keys = create_one_of_each()
    client = client_of(create_user(role))
    with nothing_changes():
        for name in RECORDS:
            address = reverse(f"admin:{name}_changelist")
            assert b"<select" not in client.get(address).content
            sent = {"action": "delete_selected", "_selected_action": [str(keys[name])], "post": "yes"}
            assert client.post(address, sent).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("name", ["promos_promocode", "orders_plan", "billing_user"])
def test_even_a_superuser_deletes_nothing_from_a_list(name: str) -> None:
    key = create_one_of_each()[name]
    client = client_of(create_user(SUPERUSER))
    address = reverse(f"admin:{name}_changelist")
    assert b"delete_selected" not in client.get(address).content
    with nothing_changes():
        client.post(address, {"action": "delete_selected", "_selected_action": [str(key)], "post": "yes"})


def test_a_customer_is_asked_to_sign_in_as_staff() -> None:
    client = client_of(create_user(CUSTOMER))
    for address in (reverse("admin:index"), reverse("admin:promos_promocode_changelist")):
        answer = client.get(address)
        assert answer.status_code == HTTPStatus.FOUND
        assert answer.headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("role", MATRIX)
def test_the_menu_shows_exactly_the_pages_of_the_role(role: str) -> None:
    keys = create_one_of_each()
    page = client_of(create_user(role)).get(reverse("admin:index")).content.decode()
    menu = page[page.index('id="nav-sidebar-apps"') : page.index('id="main"')]
    listed = {name for name in keys if f'href="{reverse(f"admin:{name}_changelist")}"' in menu}
    assert listed == {name for name, may in MATRIX[role].items() if "v" in may}


def test_the_groups_are_made_by_migration_and_can_be_taken_back() -> None:
    migration = importlib.import_module("billing.migrations.0001_initial")
    approvers = importlib.import_module("billing.migrations.0011_approvers")
    dealers = importlib.import_module("promos.migrations.0009_dealers_activate_their_cards")
    finance = importlib.import_module("billing.migrations.0028_finance_and_support")
    assert {group.name for group in Group.objects.all()} == set(STAFF_ROLES)
    finance.drop_roles(apps, None)
    assert {group.name for group in Group.objects.all()} == {SUPERADMIN, SOVEREIGN_ADMIN, AUDITOR, APPROVER, DEALER}
    approvers.drop_role(apps, None)
    dealers.drop_role(apps, None)
    migration.drop_groups(apps, None)
    assert not Group.objects.exists()
    migration.make_groups(apps, None)
    migration.make_groups(apps, None)
    made = {group.name: group.permissions.count() for group in Group.objects.all()}
    assert made == {SUPERADMIN: 25 + 2 + 1 + 15 + 3 + 2 + 1 + 1, SOVEREIGN_ADMIN: 3, AUDITOR: 25}
    approvers.grant(apps, None)
    approvers.grant(apps, None)
    granted = {group.name: group.permissions.count() - made.get(group.name, 0) for group in Group.objects.all()}
    assert granted == {SUPERADMIN: 2, SOVEREIGN_ADMIN: 1, AUDITOR: 1, APPROVER: 4}
    before = {group.name: group.permissions.count() for group in Group.objects.all()}
    dealers.grant(apps, None)
    granted = {group.name: group.permissions.count() - before.get(group.name, 0) for group in Group.objects.all()}
    assert granted == {SUPERADMIN: 5, SOVEREIGN_ADMIN: 5, AUDITOR: 2, APPROVER: 0, DEALER: 2}
    finance.grant(apps, None)
    finance.grant(apps, None)
    assert Group.objects.get(name=FINANCE).permissions.exclude(codename__startswith="view_").count() == 0
    others = Group.objects.get(name=SUPPORT).permissions.exclude(codename__startswith="view_")
    assert set(others.values_list("codename", flat=True)) == {"add_proposal", "change_redemption"}
