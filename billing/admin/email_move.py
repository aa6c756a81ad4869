"""Staff move a customer to another e-mail address, with a reason."""

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminEmailInputWidget

from billing.admin.console.base import ReadOnlyAdmin, find_or_404
from billing.admin.console.display import Fact, change_url, code
from billing.admin.console.forms import ConsoleForm, reason_field
from billing.admin.console.pages import form_page
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.models import Customer
from billing.text import MAX_EMAIL_LENGTH
from billing.use_cases.proposals.email_move import move_email_or_propose

from .ledger import PROPOSE_PERMISSION

_REFUSED_FIELDS = dict.fromkeys(("invalid_request", "same_address", "address_taken"), "address")


class EmailMoveForm(ConsoleForm):
    """The new address and a reason."""

    address = forms.EmailField(
        label="New e-mail address", max_length=MAX_EMAIL_LENGTH, widget=UnfoldAdminEmailInputWidget()
    )
    reason = reason_field()


def move_email_view(admin: ReadOnlyAdmin, request: HttpRequest, customer_id: int) -> HttpResponse:
    """Asks for the new address and a reason, and moves the customer, or proposes that."""
    if not request.user.has_perm(PROPOSE_PERMISSION):
        raise PermissionDenied
    customer: Customer = find_or_404(admin, request, str(customer_id))
    form = EmailMoveForm(request.POST if request.method == "POST" else None)
    submission = Submission(request, f"billing_customer:email:{customer.pk}", customer.email)
    here = change_url(admin.model_label, customer.pk)

    def move() -> Done:
        outcome = move_email_or_propose(
            customer_id=customer.pk,
            address=form.cleaned_data["address"],
            why=form.cleaned_data["reason"],
            by=actor_of(request),
        )
        return done_or_proposed(outcome, request)

    if form.is_valid() and (
        answer := submission.submit(
            form, lock_state=lambda: _lock_email(customer), effect=move, fields=_REFUSED_FIELDS
        )
    ):
        return answer
    return form_page(
        admin,
        request,
        title="Move to another e-mail address",
        form=form,
        submission=submission,
        submit="Move this customer",
        back=here,
        parent=(str(customer), here),
        facts=[Fact("Customer", customer.email or code(customer.user_id)), Fact("User id", code(customer.user_id))],
        warning="First make sure that this person is the customer. The new address signs in, the present one no"
        " longer does, and all sessions end.",
        danger=True,
    )


def _lock_email(customer: Customer) -> str:
    # Races with a change of the address by the customer.
    return Customer.objects.select_for_update(no_key=True).values_list("email", flat=True).get(pk=customer.pk)
