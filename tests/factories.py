"""Factories of valid objects, and the actors of tests.

Factories call the use cases that the service calls: a customer has an account, a promo code its counters.
Tests make history (redemptions, entries, orders) themselves, through use cases.
"""

# The declarations of factory-boy carry no types.
# mypy: allow-untyped-calls

from datetime import timedelta
from typing import Any, cast

from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory

from billing.actor import CUSTOMER, SUPERADMIN, Actor
from billing.models import Customer, Organization, User
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.ledger.post_entry import adjust_credit, grant_credit
from billing.use_cases.organizations.create_organization import create_organization
from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.use_cases.checkout import checkout_context
from promos.models import Campaign, PromoCode
from promos.use_cases.approvals.approve_campaign import approve_campaign
from promos.use_cases.campaigns.change_state import (
    activate_campaign,
    end_campaign,
    pause_campaign,
)
from promos.use_cases.campaigns.draft_campaign import CampaignTerms, draft_campaign
from promos.use_cases.issue_code import Terms, issue_code

ADDRESS = "192.0.2.7"


def actor(role: str = SUPERADMIN, *, user_id: str = "", channel: str = "api", email: str | None = None) -> Actor:
    """Return an actor with this role; the user id defaults to the name of the role."""
    identity = user_id or role
    address = f"{identity}@example.org" if email is None else email
    return Actor(user_id=identity, role=role, channel=channel, email=address, address=ADDRESS)


def acting(customer: Customer) -> Actor:
    """Return the actor of a customer who acts on their own account."""
    return actor(CUSTOMER, user_id=customer.user_id)


def give_credit(customer: Customer, amount_minor: int) -> None:
    """Add credit to the customer's balance without a promo code."""
    adjust_credit(customer_id=customer.pk, amount_minor=amount_minor, why="credit for a test", by=actor())


def give_expired_credit(customer: Customer, amount_minor: int) -> None:
    """Add credit that expired an hour ago, and of whose expiry no entry tells yet."""
    grant_credit(
        customer_id=customer.pk,
        amount_minor=amount_minor,
        reason="gift",
        expires_at=timezone.now() - timedelta(hours=1),
        by=actor(),
    )


def forget_prices() -> None:
    """Empty the cache of priced baskets, as in a process that has just started."""
    checkout_context.forget_priced_baskets()


def ids_of(kind: type[Plan | AddOn | App], *slugs: str) -> list[str]:
    """Return the ids of catalog items, in the order of their slugs."""
    return [str(kind._default_manager.get(slug=slug).pk) for slug in slugs]


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = Sequence(lambda n: f"person-{n}@example.org")
    email = LazyAttribute(lambda made: made.username)
    sub = Sequence(lambda n: f"sub-{n}")


class CustomerFactory(DjangoModelFactory[Customer]):
    """A customer with an empty account."""

    class Meta:
        model = Customer

    user_id = Sequence(lambda n: f"customer-{n}")
    email = LazyAttribute(lambda made: f"{made.user_id}@example.org")

    @classmethod
    def _create(cls, model_class: type[Customer], *args: Any, **kwargs: Any) -> Customer:
        return ensure_customer(**kwargs)


class OrganizationFactory(DjangoModelFactory[Organization]):
    """A pending organization of a customer."""

    class Meta:
        model = Organization

    customer = SubFactory(CustomerFactory)
    slug = Sequence(lambda n: f"tenant-{n}")
    name = LazyAttribute(lambda made: made.slug.title())

    @classmethod
    def _create(cls, model_class: type[Organization], *args: Any, **kwargs: Any) -> Organization:
        customer = cast(Customer, kwargs.pop("customer"))
        return create_organization(user_id=customer.user_id, email=customer.email, **kwargs)


class PromoCodeFactory(DjangoModelFactory[PromoCode]):
    """A live, uncapped code of 10.000 OMR, issued by a superadmin; any of `Terms` may be given."""

    class Meta:
        model = PromoCode

    code = Sequence(lambda n: f"CODE-{n}")
    credit_minor = 10_000
    by = LazyFunction(actor)

    @classmethod
    def _create(cls, model_class: type[PromoCode], *args: Any, **kwargs: Any) -> PromoCode:
        code, by, campaign_id = kwargs.pop("code"), kwargs.pop("by"), kwargs.pop("campaign_id", None)
        return issue_code(code=code, terms=Terms(**kwargs), by=by, campaign_id=campaign_id)


class CampaignFactory(DjangoModelFactory[Campaign]):
    """An active campaign without a budget; any of `CampaignTerms` may be given, and the `status` to end in."""

    class Meta:
        model = Campaign

    name = Sequence(lambda n: f"Campaign {n}")
    status = Campaign.Status.ACTIVE

    @classmethod
    def _create(cls, model_class: type[Campaign], *args: Any, **kwargs: Any) -> Campaign:
        status = kwargs.pop("status")
        campaign = draft_campaign(terms=CampaignTerms(**kwargs), by=actor(user_id="drafter"))
        acts = {
            Campaign.Status.DRAFT: (),
            Campaign.Status.APPROVED: (approve_campaign,),
            Campaign.Status.ACTIVE: (approve_campaign, activate_campaign),
            Campaign.Status.PAUSED: (approve_campaign, activate_campaign, pause_campaign),
            Campaign.Status.ENDED: (end_campaign,),
        }[status]
        for act in acts:
            campaign = act(campaign_id=campaign.pk, by=actor(user_id="approver"), reason="for a test")
        return campaign


class PlanFactory(DjangoModelFactory[Plan]):
    class Meta:
        model = Plan

    slug = Sequence(lambda n: f"plan-{n}")
    name = LazyAttribute(lambda made: made.slug.upper())
    cpu = "2 vCPU"
    memory = "4 GB"
    storage = "25 GB"
    price_minor = 9_000


class AddOnFactory(DjangoModelFactory[AddOn]):
    class Meta:
        model = AddOn

    slug = Sequence(lambda n: f"addon-{n}")
    name = LazyAttribute(lambda made: made.slug.title())
    price_minor = 3_000
    category = "reliability"


class AppFactory(DjangoModelFactory[App]):
    class Meta:
        model = App

    slug = Sequence(lambda n: f"app-{n}")
    name = LazyAttribute(lambda made: made.slug.title())
    category = "cms"


class IndustryFactory(DjangoModelFactory[Industry]):
    class Meta:
        model = Industry

    slug = Sequence(lambda n: f"industry-{n}")
    name = LazyAttribute(lambda made: made.slug.title())


class BundleFactory(DjangoModelFactory[Bundle]):
    class Meta:
        model = Bundle

    slug = Sequence(lambda n: f"bundle-{n}")
    name = LazyAttribute(lambda made: made.slug.title())
