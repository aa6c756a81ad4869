"""Deletes a customer's account at the customer's request: what names the person goes, the books stay.

Ledger entries, orders, redemptions, invoices and receipts stay under the user id, because the law asks for them and
because they are other people's money too. The name, the addresses, sessions, identities, the second factor, the
choice of mails and memberships are erased at once. A job removes the addresses from history (finish_erasure.py), and
mails a confirmation. Nobody can act as this customer afterwards; the same address may sign up again, as somebody new.

Credit that was given may be lost, if the customer says so. Credit that was bought is money, and is refunded first.
"""

from dataclasses import dataclass, replace

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from billing.actor import CUSTOMER, Actor, system_actor
from billing.errors import (
    Busy,
    CreditWouldBeLost,
    CustomerErased,
    CustomerMerged,
    CustomerNotFound,
    DomainError,
    NoSignInHere,
    OpenPaymentBeforeErasure,
    OrganizationBeforeErasure,
    ReasonRequired,
    SoldCreditBeforeErasure,
    StaffNotErased,
    SubscriptionBeforeErasure,
)
from billing.jobs import enqueue
from billing.locks import lock_merges, post_expired_credit
from billing.models import (
    Account,
    AuditEntry,
    Customer,
    Erasure,
    Hold,
    Organization,
    OrganizationMember,
    SignInCode,
    Subscription,
    User,
)
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.text import has_visible_text, normal_email
from billing.use_cases.assign_role import role_of
from billing.use_cases.identity.passwords import has_second_factor, require_second_factor
from billing.use_cases.identity.sign_in.sign_in_codes import use_code
from billing.use_cases.ledger.post_entry import adjust_credit
from billing.use_cases.past.position_at import position_at
from billing.use_cases.record_audit import record_audit
from orders.models import Order
from orders.use_cases.organizations.delete_organization import delete_organization
from promos.models import RefusedAttempt

# The credit that is left, by the entries that brought it.
_SOLD_CREDIT = "SELECT EXISTS (SELECT FROM billing_lots_at(%s, %s, %s) WHERE class = 'sold' AND rest_minor > 0)"
_WHY_LOST = "lost when the account was deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasurePlan:
    """An erasure as it would be now: the refusals that stand in its way, and the credit that would be lost.

    `organizations` are those that the customer has to delete first. One that was never bought is no obstacle.
    """

    obstacles: tuple[DomainError, ...]
    organizations: list[Organization]
    credit_minor: int


def erase_own_account(*, code: str, otp: str, lose_credit: bool, by: Actor) -> None:
    """Deletes the actor's own account after a fresh proof of the identity: the mailed code, and the second factor.

    Raises: NoSignInHere, WrongCode, TooManyAttempts, SecondFactorRequired, WrongSecondFactor; as erase_customer.
    Transaction: owns.
    """
    user = User.objects.filter(sub=by.user_id).first()
    if user is None or not user.email:
        raise NoSignInHere
    customer = Customer.objects.filter(user_id=by.user_id).first()
    if customer is None:
        raise CustomerNotFound
    # A refusal leaves the code for the next attempt.
    _check(customer, lose_credit=lose_credit)
    use_code(email=user.email, code=code, by=by, keep=has_second_factor(user) and not otp)
    require_second_factor(user, otp, by=by)
    erase_customer(customer_id=customer.pk, lose_credit=lose_credit, why="", by=by)


def erase_customer(*, customer_id: int, lose_credit: bool, why: str, by: Actor) -> None:
    """Erases a customer and those who were merged into it, and queues the job that finishes it.

    Args: why: staff give a reason. lose_credit: whether credit that is left may be lost.
    Raises: ReasonRequired, CustomerNotFound, CustomerMerged, CustomerErased, StaffNotErased; the refusals that
    plan_erasure finds; CreditWouldBeLost; Busy, if the customer placed an order meanwhile.
    Locks: merges, Order, Customer, Account, User. Transaction: owns.
    """
    customer = Customer.objects.filter(pk=customer_id, account__isnull=False).first()
    if customer is None:
        raise CustomerNotFound
    if by.user_id != customer.user_id and not has_visible_text(why):
        raise ReasonRequired
    # The books and the audit trail name only the user id from here on.
    unnamed = replace(by, email="", address=None) if by.user_id == customer.user_id else by
    with transaction.atomic():
        customers = _lock(customer)
        plan = _check(customers[0], lose_credit=lose_credit)
        if plan.credit_minor:
            adjust_credit(customer_id=customer.pk, amount_minor=-plan.credit_minor, why=_WHY_LOST, by=unnamed)
        _delete_unused_organizations(customer)
        _erase(customers, address=by.email if unnamed is not by else "")
        record_audit(
            action="customer.deleted",
            object_type="customer",
            object_id=str(customer.pk),
            by=unnamed,
            changes={"lost_credit_minor": [plan.credit_minor, 0]} if plan.credit_minor else {},
            reason=why,
        )


def plan_erasure(customer: Customer) -> ErasurePlan:
    """Returns what an erasure would do. It takes no lock."""
    obstacles: list[DomainError] = []
    if any(user.is_staff or role_of(user) != CUSTOMER for user in User.objects.filter(sub=customer.user_id)):
        obstacles.append(StaffNotErased())
    if (
        Order.objects.filter(customer=customer, status=Order.Status.PENDING).exists()
        or Hold.objects.filter(account=customer.pk, status=Hold.Status.ACTIVE).exists()
    ):
        obstacles.append(OpenPaymentBeforeErasure())
    if Subscription.objects.filter(customer=customer).exclude(status__in=ENDED_STATUSES).exists():
        obstacles.append(SubscriptionBeforeErasure())
    unused = (Organization.Status.PENDING, Organization.Status.DELETED)
    organizations = list(
        Organization.objects.filter(customer=customer).exclude(status__in=unused).order_by("name", "id")
    )
    if organizations:
        obstacles.append(OrganizationBeforeErasure())
    now = timezone.now()
    position = position_at(customer, at=now)
    with connection.cursor() as cursor:
        cursor.execute(_SOLD_CREDIT, [customer.pk, position.entries, now])
        [is_sold_left] = cursor.fetchone()
    if is_sold_left:
        obstacles.append(SoldCreditBeforeErasure())
    return ErasurePlan(
        obstacles=tuple(obstacles),
        organizations=organizations,
        credit_minor=position.balance_minor - position.expired_minor,
    )


def _check(customer: Customer, *, lose_credit: bool) -> ErasurePlan:
    if customer.erased_at is not None:
        raise CustomerErased
    if customer.merged_into_id is not None:
        raise CustomerMerged
    plan = plan_erasure(customer)
    if plan.obstacles:
        raise plan.obstacles[0]
    if plan.credit_minor and not lose_credit:
        raise CreditWouldBeLost
    return plan


def _delete_unused_organizations(customer: Customer) -> None:
    """Deletes those that were never bought. Without an open payment that calls nobody."""
    system = system_actor(channel="worker")
    for each in Organization.objects.filter(customer=customer, status=Organization.Status.PENDING).order_by("pk"):
        delete_organization(organization_id=each.pk, by=system)


def _lock(customer: Customer) -> list[Customer]:
    """Locks the customer, and then those who were merged into it; returns them in this order."""
    lock_merges()
    orders = Order.objects.filter(customer=customer).order_by("id").values_list("id", flat=True)
    # Races with late payments and refunds, which lock an order before its customer's account.
    locked = list(orders.select_for_update(no_key=True))
    own = Q(pk=customer.pk) | Q(merged_into=customer.pk)
    # Races with everything that acts for the customer.
    customers = list(Customer.objects.select_for_update(no_key=True).filter(own).order_by("pk"))
    list(Account.objects.select_for_update(no_key=True).filter(pk=customer.pk))
    post_expired_credit(customer_ids=[customer.pk])
    if list(orders) != locked:
        raise Busy(retry_after=1)
    return sorted(customers, key=lambda each: each.pk != customer.pk)


def _erase(customers: list[Customer], *, address: str) -> None:
    customer, user_ids = customers[0], [each.user_id for each in customers]
    # Races with a sign-in, and with an assignment of a role.
    users = list(User.objects.select_for_update().filter(sub__in=user_ids).order_by("pk"))
    addresses = _addresses(customers, users, address)
    Erasure.objects.create(
        customer=customer,
        # The first one gets the confirmation.
        addresses=sorted(addresses, key=lambda each: each != normal_email(customer.email or address)),
        language=customer.language,
    )
    _erase_identities(users, addresses)
    OrganizationMember.objects.filter(Q(customer__in=customers) | Q(customer=None, email__in=addresses)).delete()
    Order.objects.filter(customer__in=customers, address__isnull=False).update(address=None)
    RefusedAttempt.objects.filter(user_id__in=user_ids, address__isnull=False).update(address=None)
    Customer.objects.filter(pk__in=[each.pk for each in customers]).update(
        email="", language="", declined_mails=[], erased_at=timezone.now()
    )
    for each in customers:
        if each.stripe_customer_id:
            enqueue("update_stripe_email", lock=f"stripe-email:{each.stripe_customer_id}", user_id=each.user_id)
    enqueue("finish_erasure", lock=f"erasure:{customer.pk}", customer_id=str(customer.pk))


def _addresses(customers: list[Customer], users: list[User], address: str) -> list[str]:
    """Returns every address by which the person is known here, former ones too."""
    keys = [str(each.pk) for each in customers]
    moves = AuditEntry.objects.filter(object_type="customer", object_id__in=keys, action="customer.email_moved")
    own = AuditEntry.objects.filter(actor_id__in=[each.user_id for each in customers]).exclude(actor_email="")
    found = [
        address,
        *own.order_by().values_list("actor_email", flat=True).distinct(),
        *EmailAddress.objects.filter(user__in=users).values_list("email", flat=True),
        *OrganizationMember.objects.filter(customer__in=customers).values_list("email", flat=True),
        *(user.email for user in users),
        *(customer.email for customer in customers),
        *(text for move in moves for text in move.changes["email"]),
    ]
    return sorted({normal_email(each) for each in found if each})


def _erase_identities(users: list[User], addresses: list[str]) -> None:
    """Deletes the users with their sessions, second factors, addresses and accounts at identity providers."""
    keys = UserSession.objects.filter(user__in=users).values("session_key")
    Session.objects.filter(session_key__in=keys).delete()
    SignInCode.objects.filter(email__in=addresses).delete()
    User.objects.filter(pk__in=[user.pk for user in users]).delete()
