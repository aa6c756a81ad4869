"""A customer and an account for each user id; an organization reserves its address."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.actor import system_actor
from billing.errors import SlugTaken
from billing.models import Account, Customer, Organization
from billing.queries import slug_is_free
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.organizations.create_organization import create_organization
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.organizations.list_organizations import list_organizations
from tests.factories import CustomerFactory, OrganizationFactory, acting
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)


def test_first_act_makes_a_customer_with_an_empty_account() -> None:
    with only_changes("billing_customer", "billing_account"):
        customer = ensure_customer(user_id="ada", email="ada@example.org")
    account = Account.objects.get(customer=customer)
    assert (customer.user_id, customer.email) == ("ada", "ada@example.org")
    assert (account.currency, account.balance_minor, account.held_minor, account.version) == ("OMR", 0, 0, 0)


def test_second_act_finds_the_same_customer_by_one_query() -> None:
    first = ensure_customer(user_id="ada", email="ada@example.org")
    with nothing_changes():
        assert ensure_customer(user_id="ada", email="ada@example.org").pk == first.pk
    with CaptureQueriesContext(connection) as queries:
        ensure_customer(user_id="ada", email="ada@example.org")
    assert len(queries) == 1


def test_email_follows_the_identity_and_is_not_lost_where_none_is_given() -> None:
    ensure_customer(user_id="ada", email="old@example.org")
    ensure_customer(user_id="ada", email="new@example.org")
    ensure_customer(user_id="ada")
    assert Customer.objects.get(user_id="ada").email == "new@example.org"


def test_customer_without_an_account_is_given_one() -> None:
    Customer.objects.create(user_id="ada")
    customer = ensure_customer(user_id="ada", email="ada@example.org")
    assert Account.objects.get().customer_id == customer.pk
    assert Customer.objects.count() == 1


def test_organization_is_pending_until_its_first_order() -> None:
    plan_id = uuid4()
    made = create_organization(
        user_id="ada",
        email="ada@example.org",
        slug="acme",
        name="Acme",
        plan_id=plan_id,
        apps=("wordpress",),
        addons=("backup",),
    )
    stored = Organization.objects.select_related("customer").get(pk=made.pk)
    assert (stored.slug, stored.name, stored.status) == ("acme", "Acme", "pending")
    assert (stored.plan_id, stored.apps, stored.addons) == (plan_id, ["wordpress"], ["backup"])
    assert stored.customer.user_id == "ada"


def test_address_is_taken_once_even_by_the_same_customer() -> None:
    first = OrganizationFactory.create(slug="acme")
    for customer in (first.customer, CustomerFactory.create()):
        with nothing_changes(), pytest.raises(SlugTaken):
            create_organization(user_id=customer.user_id, email=customer.email, slug="acme", name="Another")
    assert not slug_is_free("acme")
    assert slug_is_free("acme2")


def test_refused_organization_leaves_no_customer_behind() -> None:
    OrganizationFactory.create(slug="acme")
    with nothing_changes(), pytest.raises(SlugTaken):
        create_organization(user_id="new", email="new@example.org", slug="acme", name="Acme")


def test_address_of_a_deleted_organization_is_free_again() -> None:
    first = OrganizationFactory.create(slug="acme")
    delete_organization(organization_id=first.id, by=acting(first.customer))
    assert slug_is_free("acme")
    second = OrganizationFactory.create(slug="acme")
    assert second.pk != first.pk


def test_customer_sees_only_own_organizations_that_are_not_deleted_newest_first() -> None:
    ada = CustomerFactory.create(user_id="ada")
    first, gone, second = (OrganizationFactory.create(customer=ada) for _ in range(3))
    OrganizationFactory.create(slug="another")
    delete_organization(organization_id=gone.id, by=acting(ada))
    assert [each.organization for each in list_organizations(by=acting(ada), limit=9).value] == [second, first]
    assert list_organizations(by=system_actor(channel="api", user_id="nobody"), limit=9).value == []
