"""The page for an act on the cards of a CSV file: a check, then a confirmation."""

from django.http import HttpRequest, HttpResponse

from billing.admin.console.acts import find_for_act
from billing.admin.console.base import RecordAdmin
from billing.admin.console.display import Fact, change_url
from billing.admin.console.forms import show_refusals_on
from billing.admin.console.pages import form_page
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.language import say
from promos.locks import lock_batch
from promos.models import Batch
from promos.use_cases.approvals.propose_cards import act_or_propose
from promos.use_cases.ranges.act_on_cards import Report, preview_act

from .range_forms import ACTS, SerialFileForm
from .ranges import act_of

_CHANGE = "promos.change_batch"


def serial_file_view(model_admin: RecordAdmin, request: HttpRequest, key: int) -> HttpResponse:
    """Asks for a file and an act, says what the act would do, and carries it out after a confirmation."""
    batch: Batch = find_for_act(model_admin, request, key, permission=_CHANGE)
    sent = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = SerialFileForm(*sent, batch=batch)
    submission = Submission(request, f"{model_admin.model_label}:serials:{batch.pk}", batch.status)
    page, report = change_url(model_admin.model_label, batch.pk), None

    def effect() -> Done:
        arguments = {**act_of(form), "by": actor_of(request), "reason": form.cleaned_data["reason"]}
        outcome = act_or_propose(batch=batch, spans=form.cleaned_data["spans"], **arguments)
        return done_or_proposed(outcome, request, url=page)

    if form.is_valid():
        if "confirmed" in request.POST:
            answer = submission.submit(form, lock_state=lambda: lock_batch(batch_id=batch.pk).status, effect=effect)
            if answer:
                return answer
        with show_refusals_on(form):
            report = preview_act(batch=batch, spans=form.cleaned_data["spans"], **act_of(form))
    confirming = report is not None and form.is_valid()
    return form_page(
        model_admin,
        request,
        title="Confirm the act"
        if confirming
        else say("Act on cards of a file of %(batch)s", batch=batch.promo_code.code),
        form=form,
        submission=submission,
        submit="Carry out" if confirming else "Check the file",
        back=page,
        parent=(model_admin.title_of(batch), page),
        facts=_facts(batch, report, form) if report else [Fact("Batch", str(batch))],
        hidden=[("confirmed", "yes")] if confirming else [],
        confirming=confirming,
    )


def _facts(batch: Batch, report: Report, form: SerialFileForm) -> list[Fact]:
    skipped = [
        Fact(say("Skipped: %(why)s", why=say(str(why.label))), f"{number:,}")
        for why, number in sorted(report.skipped.items())
    ]
    return [
        Fact("Batch", str(batch)),
        Fact("Act", ACTS[report.act]),
        Fact("Cards that the file names", f"{report.cards:,}"),
        Fact("Cards that would change", f"{report.changed:,}"),
        *skipped,
        Fact("Reason", form.cleaned_data["reason"]),
    ]
