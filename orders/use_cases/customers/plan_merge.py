from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from django.db.models import QuerySet

from billing.errors import (
    CustomerHasOpenPayment,
    CustomerMerged,
    CustomerNotFound,
    SameCustomer,
    TwoCardSubscribers,
)
from billing.models import (
    Customer,
    Hold,
    Invoice,
    Organization,
    OrganizationMember,
    ProviderAccount,
    SignInSession,
    Subscription,
)
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.use_cases.identity.merge_users import check_not_staff
from orders.models import Order
from promos.models import PromoCode, Redemption
from promos.models.redemption import LIVE_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """Everything of the merged customer that becomes the survivor's, as it is now. Its parts are JSON values.

    `kept_codes` are codes that both have redeemed, each once: those redemptions stay with the merged customer.
    `stripe_customer_id` is the one that the survivor has afterwards.
    """

    organizations: Sequence[str]
    memberships: Sequence[str]
    subscriptions: Sequence[str]
    orders: int
    invoices: int
    codes: Sequence[str]
    kept_codes: Sequence[str]
    credit_minor: int
    emails: Sequence[str]
    provider_accounts: int
    sessions: int
    stripe_customer_id: str


def find_customer(*, user_id: str) -> Customer:
    """Returns the customer of a user id, with its account. Raises: CustomerNotFound."""
    found = Customer.objects.select_related("account").filter(user_id=user_id, account__isnull=False).first()
    if found is None:
        raise CustomerNotFound
    return found


def plan_merge(*, merged: Customer, survivor: Customer) -> MergePlan:
    """Returns what a merge would move. It takes no lock.

    Raises: SameCustomer, CustomerMerged, CustomerIsStaff, CustomerHasOpenPayment, TwoCardSubscribers.
    """
    check_merge(merged=merged, survivor=survivor)
    redeemed = Redemption.objects.filter(customer=merged).select_related("promo_code").order_by("id")
    kept = set(codes_of_both(merged=merged, survivor=survivor))
    live = [each for each in redeemed if each.status in LIVE_STATUSES]
    members = OrganizationMember.objects.filter(customer=merged).select_related("organization").order_by("id")
    subscriptions = Subscription.objects.filter(customer=merged).exclude(status__in=ENDED_STATUSES)
    return MergePlan(
        organizations=list(
            Organization.objects.filter(customer=merged).order_by("id").values_list("slug", flat=True)
        ),
        memberships=[f"{each.organization.slug} ({each.role})" for each in members],
        subscriptions=[str(key) for key in subscriptions.order_by("id").values_list("id", flat=True)],
        orders=Order.objects.filter(customer=merged).count(),
        invoices=Invoice.objects.filter(customer=merged).count(),
        codes=[each.promo_code.code for each in live if each.promo_code_id not in kept],
        kept_codes=[each.promo_code.code for each in live if each.promo_code_id in kept],
        credit_minor=merged.account.balance_minor,
        emails=proved_emails(merged),
        provider_accounts=ProviderAccount.objects.filter(user__sub=merged.user_id).count(),
        sessions=SignInSession.objects.filter(user__sub=merged.user_id, ended_at=None).count(),
        stripe_customer_id=surviving_stripe_customer(merged=merged, survivor=survivor),
    )


def check_merge(*, merged: Customer, survivor: Customer) -> None:
    """Raises: as plan_merge."""
    if merged.pk == survivor.pk:
        raise SameCustomer
    if merged.merged_into_id is not None or survivor.merged_into_id is not None:
        raise CustomerMerged("one of the two was merged into another customer already")
    check_not_staff(merged, survivor)
    both = [merged.pk, survivor.pk]
    if (
        Order.objects.filter(customer__in=both, status=Order.Status.PENDING).exists()
        or Hold.objects.filter(account__in=both, status=Hold.Status.ACTIVE).exists()
    ):
        raise CustomerHasOpenPayment
    if all(each.stripe_customer_id and _pays_by_card(each) for each in (merged, survivor)):
        raise TwoCardSubscribers


def surviving_stripe_customer(*, merged: Customer, survivor: Customer) -> str:
    """Returns the Stripe customer whose card pays: the survivor's own, unless only the merged one's does."""
    own, other = survivor.stripe_customer_id, merged.stripe_customer_id
    return other if other and (not own or _pays_by_card(merged)) else own


def codes_of_both(*, merged: Customer, survivor: Customer) -> list[Any]:
    """Returns the ids of the codes that both have redeemed, and that one customer redeems once."""
    return [code.pk for code in _redeemed_by_both(merged=merged, survivor=survivor) if not code.repeatable]


def repeated_by_both(*, merged: Customer, survivor: Customer) -> list[Any]:
    """Returns the ids of the repeatable vouchers that both have redeemed."""
    return [code.pk for code in _redeemed_by_both(merged=merged, survivor=survivor) if code.repeatable]


def _redeemed_by_both(*, merged: Customer, survivor: Customer) -> QuerySet[PromoCode, PromoCode]:
    live = Redemption.objects.filter(status__in=LIVE_STATUSES, card_serial=None)
    own, other = (live.filter(customer=each).values("promo_code_id") for each in (survivor, merged))
    return PromoCode.objects.filter(pk__in=own).filter(pk__in=other)


def proved_emails(customer: Customer) -> list[str]:
    """Returns the addresses that the customer's user has proved."""
    found = EmailAddress.objects.filter(user__sub=customer.user_id, verified=True)
    return list(found.order_by("email").values_list("email", flat=True))


def _pays_by_card(customer: Customer) -> bool:
    live = Subscription.objects.filter(customer=customer).exclude(status__in=ENDED_STATUSES)
    return live.exclude(stripe_subscription_id="").exists()
