"""Staff refund an order, or close its open payment. Each page asks for a reason first."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse

from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import ReadOnlyAdmin, find_or_404
from billing.admin.console.display import Fact, amount, change_url, state_badge
from billing.admin.console.forms import AmountField, ConsoleForm, reason_field, with_currency
from billing.admin.console.pages import form_page
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.admin.ledger import PROPOSE_PERMISSION, customer_link
from orders.admin.organizations import organization_link
from orders.locks import lock_order
from orders.models import CardEntry, Order, Payment, Refund
from orders.models.payment import WAITING_STATUSES
from orders.use_cases.payments.close_lost_payment import close_lost_payment
from orders.use_cases.payments.request_refund import find_refundable, refund_or_propose

_PAID = "The customer had paid: the order is complete."
_CLOSED = "The payment is closed, and the held credit is available again."
_REFUNDED = (
    "The card is refunded first. Once nothing is left on the card, the credit is returned too, the order is refunded,"
    " and its subscription ends."
)
_DISPUTED = (
    "The bank has taken this payment back: a refund to the card would give it back twice. Once nothing is left on the"
    " card, the credit is returned too, the order is refunded, and its subscription ends."
)


class RefundForm(ConsoleForm):
    """The amount to refund to the card; empty means all that is left."""

    card = AmountField(
        label=with_currency("Refund to the card"),
        required=False,
        help_text="Leave empty to refund everything that is left.",
    )
    reason = reason_field(length=200)

    def __init__(self, *args: Any, left_minor: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.left_minor = left_minor
        if not left_minor:
            del self.fields["card"]

    def clean_card(self) -> int | None:
        card_minor: int | None = self.cleaned_data["card"]
        if card_minor is None:
            return None
        if not 0 < card_minor <= self.left_minor:
            raise forms.ValidationError("Enter an amount of more than zero, and at most what is left on the card.")
        return card_minor


def refund_view(admin: ReadOnlyAdmin, request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Asks for the amount and the reason, and refunds the order: the card first, then the credit."""
    if not request.user.has_perm(PROPOSE_PERMISSION):
        raise PermissionDenied
    order = find_or_404(admin, request, str(order_id))
    left, disputed = find_refundable(order), _disputed_minor(order)
    form = RefundForm(request.POST if request.method == "POST" else None, left_minor=left.card_minor)
    submission = Submission(request, f"orders_order:refund:{order.pk}", _refund_state(order))
    here = change_url(admin.model_label, order.pk)

    def refund() -> Done:
        outcome = refund_or_propose(
            order_id=order.pk,
            card_minor=form.cleaned_data.get("card"),
            why=form.cleaned_data["reason"],
            by=actor_of(request),
        )
        return done_or_proposed(outcome, request)

    if form.is_valid() and (
        answer := submission.submit(
            form,
            lock_state=lambda: _refund_state(lock_order(order_id=order.pk)),
            effect=refund,
            fields={"amount_not_refundable": "card"},
        )
    ):
        return answer
    return form_page(
        admin,
        request,
        title="Refund",
        form=form,
        submission=submission,
        submit="Refund",
        back=here,
        parent=(admin.title_of(order), here),
        facts=[
            Fact("Customer", customer_link(order.customer)),
            Fact("Organization", organization_link(order.organization)),
            Fact("Total", amount(order.total_minor)),
            Fact("Paid from credit", amount(order.credit_applied_minor)),
            *([Fact("Credited for the unused month", amount(left.prorated_minor))] if left.prorated_minor else []),
            *([Fact("Disputed by the bank", amount(disputed))] if disputed else []),
            Fact("Left on the card", amount(left.card_minor)),
            Fact("Can be refunded at most", amount(left.total_minor)),
        ],
        warning=_DISPUTED if disputed else _REFUNDED,
        danger=True,
    )


def _disputed_minor(order: Order) -> int:
    """Returns what the bank has taken back of the order's payment and not given again."""
    disputes = CardEntry.objects.filter(order=order, kind__in=(CardEntry.Kind.DISPUTE, CardEntry.Kind.DISPUTE_WON))
    return -(disputes.aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def _refund_state(order: Order) -> list[object]:
    """Returns what a refund depends on: the order's state, and the refunds so far."""
    return [order.status, list(Refund.objects.filter(payment=order.pk).order_by("pk").values_list("pk", "status"))]


def has_open_payment(order: Order) -> bool:
    """Returns whether the order waits for a payment that staff can close."""
    if order.status != Order.Status.PENDING:
        return False
    return Payment.objects.filter(order=order, status__in=WAITING_STATUSES).exists()


def close_view(admin: ReadOnlyAdmin, request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Asks for the reason, and closes a payment that the customer did not finish, or that Stripe does not know."""
    order = find_for_act(admin, request, order_id, permission="orders.add_refund")

    def close(reason: str) -> Done:
        closed = close_lost_payment(order_id=order.pk, why=reason, by=actor_of(request))
        message = _PAID if closed.status == Order.Status.COMPLETED else _CLOSED
        return Done(message, change_url(admin.model_label, order.pk))

    return confirm_act(
        admin,
        request,
        order,
        name="close",
        title="Close the payment",
        submit="Close this payment",
        seen=order.status,
        lock_state=lambda: Order.objects.values_list("status", flat=True).get(pk=order.pk),
        effect=close,
        with_calls=True,
        facts=[
            Fact("State", state_badge(order.status)),
            Fact("Customer", customer_link(order.customer)),
            Fact("Organization", organization_link(order.organization)),
            Fact("Credit held for it", amount(order.credit_to_hold_minor)),
            Fact("Due by card", amount(order.amount_due_minor)),
        ],
        warning="The payment page is closed at Stripe, if Stripe knows it. The held credit becomes available, and the"
        " organization can order again. If the customer has paid meanwhile, the order is completed instead. Money"
        " that arrives later is refunded.",
        danger=True,
    )
