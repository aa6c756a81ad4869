"""Merges two customers who are one person: everything becomes the survivor's, except history that never changes.

The merged customer stays, names the survivor, and can no longer act. Its ledger entries, holds and stored answers
stay with it, its balance is transferred, and a code that both have redeemed stays redeemed by both, unless a customer
may redeem it several times.
"""

from collections.abc import Sequence
from dataclasses import asdict

from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from billing.actor import Actor
from billing.errors import Busy, ReasonRequired
from billing.locks import lock_merges, post_expired_credit
from billing.models import Account, Customer, Invoice, Organization, OrganizationMember, Subscription
from billing.organization_roles import MEMBER_ROLES
from billing.text import has_visible_text, normal_email
from billing.use_cases.identity.merge_users import merge_users
from billing.use_cases.ledger.post_entry import transfer_credit
from billing.use_cases.record_audit import record_audit
from orders.models import Order
from orders.use_cases.customers.plan_merge import (
    MergePlan,
    check_merge,
    codes_of_both,
    find_customer,
    plan_merge,
    proved_emails,
    repeated_by_both,
)
from promos.models import Redemption
from promos.models.redemption import LIVE_STATUSES


def merge_customers(*, merged_user_id: str, into_user_id: str, reason: str, by: Actor) -> MergePlan:
    """Makes everything of one customer another one's, and returns what was moved.

    Raises: ReasonRequired, CustomerNotFound, SameCustomer, CustomerMerged, CustomerIsStaff, CustomerHasOpenPayment,
    TwoCardSubscribers; Busy, if the customer placed an order meanwhile.
    Locks: merges, Order, Customer, Account, Organization, Subscription, Redemption, each by ascending keys.
    Transaction: owns.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        merged, survivor = lock_both(merged_user_id=merged_user_id, into_user_id=into_user_id)
        _lock_organizations(merged, survivor, emails=proved_emails(merged))
        plan = plan_merge(merged=merged, survivor=survivor)
        kept = codes_of_both(merged=merged, survivor=survivor)
        _mark_merged(merged, survivor)
        _join_stripe_customers(merged, survivor, plan.stripe_customer_id)
        if plan.credit_minor:
            transfer_credit(from_id=merged.pk, to_id=survivor.pk, amount_minor=plan.credit_minor, why=reason, by=by)
        _move_members(merged, survivor, emails=plan.emails)
        for model in (Organization, Subscription, Invoice, Order):
            model._default_manager.filter(customer=merged).update(customer=survivor)
        _move_repeated_uses(merged, survivor)
        Redemption.objects.filter(customer=merged).exclude(promo_code_id__in=kept).update(customer=survivor)
        merge_users(merged=merged, survivor=survivor)
        _record(merged, survivor, plan, by=by, reason=reason)
        return plan


def lock_both(*, merged_user_id: str, into_user_id: str) -> tuple[Customer, Customer]:
    """Locks the merged customer's orders and both customers with their accounts, and checks that they may be merged.

    Raises: as merge_customers. Locks: merges, Order, Customer, Account. Transaction: joins.
    """
    lock_merges()
    merged, survivor = find_customer(user_id=merged_user_id), find_customer(user_id=into_user_id)
    keys = [merged.pk, survivor.pk]
    orders = Order.objects.filter(customer=merged).order_by("id").values_list("id", flat=True)
    # Races with late payments, refunds and deletions, which lock an order before its customer's account.
    locked = list(orders.select_for_update(no_key=True))
    # Races with everything that moves credit of either.
    list(Customer.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk"))
    list(Account.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk"))
    post_expired_credit(customer_ids=keys)
    merged, survivor = find_customer(user_id=merged_user_id), find_customer(user_id=into_user_id)
    check_merge(merged=merged, survivor=survivor)
    if list(orders) != locked:
        raise Busy(retry_after=1)
    return merged, survivor


def _lock_organizations(merged: Customer, survivor: Customer, *, emails: Sequence[str]) -> None:
    joined = _memberships(merged, emails=emails) | OrganizationMember.objects.filter(customer=survivor)
    concerned = Q(customer=merged) | Q(pk__in=joined.values("organization"))
    # Races with changes of their members, and with checkouts and renewals for them.
    list(Organization.objects.select_for_update(no_key=True).filter(concerned).order_by("pk"))
    list(Subscription.objects.select_for_update(no_key=True).filter(customer=merged).order_by("pk"))


def _move_repeated_uses(merged: Customer, survivor: Customer) -> None:
    """Moves the uses of repeatable vouchers that both have redeemed, numbered after the survivor's own."""
    live = Redemption.objects.filter(status__in=LIVE_STATUSES)
    for promo_code_id in repeated_by_both(merged=merged, survivor=survivor):
        of_code = live.filter(promo_code_id=promo_code_id)
        highest = of_code.filter(customer=survivor).aggregate(highest=Max("use_number"))["highest"] or 1
        for number, use in enumerate(of_code.filter(customer=merged).order_by("id"), start=highest + 1):
            Redemption.objects.filter(pk=use.pk).update(customer=survivor, use_number=number)


def _mark_merged(merged: Customer, survivor: Customer) -> None:
    """Makes the merged customer, and those that were merged into it before, name the survivor."""
    Customer.objects.filter(merged_into=merged).update(merged_into=survivor)
    Customer.objects.filter(pk=merged.pk).update(merged_into=survivor, merged_at=timezone.now())
    if not survivor.email and merged.email:
        Customer.objects.filter(pk=survivor.pk).update(email=merged.email)


def _join_stripe_customers(merged: Customer, survivor: Customer, chosen: str) -> None:
    """Gives the survivor the chosen Stripe customer, and the merged one the other, by which late events find it."""
    if chosen == survivor.stripe_customer_id:
        return
    Customer.objects.filter(pk=merged.pk).update(stripe_customer_id="")
    Customer.objects.filter(pk=survivor.pk).update(stripe_customer_id=chosen)
    Customer.objects.filter(pk=merged.pk).update(stripe_customer_id=survivor.stripe_customer_id)


def _memberships(merged: Customer, *, emails: Sequence[str]) -> QuerySet[OrganizationMember, OrganizationMember]:
    """Returns the customer's memberships, and the invitations of its proved addresses."""
    invited = Q(customer__isnull=True, email__in=[normal_email(each) for each in emails])
    return OrganizationMember.objects.filter(Q(customer=merged) | invited)


def _move_members(merged: Customer, survivor: Customer, *, emails: Sequence[str]) -> None:
    """Joins the memberships: the stronger role counts, and an owner is no member of the own organization."""
    own = Organization.objects.filter(customer__in=[merged, survivor])
    OrganizationMember.objects.filter(customer=survivor, organization__in=own).delete()
    _memberships(merged, emails=emails).filter(organization__in=own).delete()
    ranks = {role.value: rank for rank, role in enumerate(MEMBER_ROLES)}
    for member in _memberships(merged, emails=emails).order_by("customer", "pk"):
        same = OrganizationMember.objects.filter(organization=member.organization_id, customer=survivor).first()
        if same is None:
            member.customer = survivor
            member.save(update_fields=["customer"])
            continue
        if ranks[member.role] < ranks[same.role]:
            same.role = member.role
            same.save(update_fields=["role"])
        member.delete()


def _record(merged: Customer, survivor: Customer, plan: MergePlan, *, by: Actor, reason: str) -> None:
    moved = {name: [None, value] for name, value in asdict(plan).items() if value}
    for customer, changes in (
        (merged, {"merged_into": [None, survivor.user_id]}),
        (survivor, {"merged_customer": [None, merged.user_id]}),
    ):
        record_audit(
            action="customer.merged",
            object_type="customer",
            object_id=str(customer.pk),
            by=by,
            changes={**changes, **moved},
            reason=reason,
        )
