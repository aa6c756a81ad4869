"""Refusals of acts on customers."""

from .base import DomainError


class CustomerNotFound(DomainError):
    code = "customer_not_found"
    status = 404
    message = "there is no such customer"


class CustomerMerged(DomainError):
    """The customer was merged into another one, which acts in its place."""

    code = "customer_merged"
    status = 409
    message = "this account was merged into another account: sign in with that account"


class CustomerErased(DomainError):
    """The customer's personal data was erased. Nobody can act as this customer any more."""

    code = "customer_erased"
    status = 409
    message = "this account was deleted"


class StaffNotErased(DomainError):
    code = "staff_not_erased"
    status = 409
    message = "a member of staff cannot be deleted: take the staff role away first"


class OpenPaymentBeforeErasure(DomainError):
    code = "open_payment"
    status = 409
    message = "a payment is still open: finish it or give it up first"


class SubscriptionBeforeErasure(DomainError):
    code = "active_subscription"
    status = 409
    message = "a subscription is still active: cancel it now first"


class OrganizationBeforeErasure(DomainError):
    """An organization has one owner, so without its owner nobody could pay for it."""

    code = "owns_organization"
    status = 409
    message = "an organization still has no other owner: delete it first"


class SoldCreditBeforeErasure(DomainError):
    code = "sold_credit_left"
    status = 409
    message = "some of the credit was bought: ask us to refund it, or spend it first"


class CreditWouldBeLost(DomainError):
    code = "credit_would_be_lost"
    status = 409
    message = "there is credit left: confirm that it may be lost"


class SameCustomer(DomainError):
    code = "same_customer"
    message = "into: a customer cannot be merged into itself"


class CustomerIsStaff(DomainError):
    code = "customer_is_staff"
    status = 409
    message = "one of the two customers is a member of staff: take the staff role away first"


class CustomerHasOpenPayment(DomainError):
    code = "customer_has_open_payment"
    status = 409
    message = "one of the two customers has an open payment: wait until it ends, or close it first"


class TwoCardSubscribers(DomainError):
    """Stripe cannot move a subscription from one of its customers to another."""

    code = "two_card_subscribers"
    status = 409
    message = "both customers pay a subscription by card at Stripe: end the subscriptions of one of them first"


class SameAddress(DomainError):
    code = "same_address"
    message = "email: the customer has this address already"


class AddressTaken(DomainError):
    """Another user has proved the address."""

    code = "address_taken"
    status = 409
    message = "email: another account signs in with this address: merge the two customers instead"


class NoSignInHere(DomainError):
    """The customer has only used tokens of the platform."""

    code = "no_sign_in_here"
    status = 409
    message = "this customer does not sign in here: the platform that issues the tokens knows the address"


class UserNotFound(DomainError):
    code = "user_not_found"
    status = 404
    message = "this user does not exist"
