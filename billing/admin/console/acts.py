"""Acts on one record that a member of staff confirms with a reason: one page for all of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from billing.admin.console.base import RecordAdmin, find_or_404
from billing.admin.console.display import Fact, Text, Tool, change_url
from billing.admin.console.forms import ConsoleForm, ReasonForm
from billing.admin.console.pages import form_page, record_page
from billing.admin.console.proposed import done_or_proposed
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.models import Proposal
from billing.use_cases.proposals.propose import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """A change of a record's state: its name, its result, its consequences, and its use case.

    `leads_to` is the new state, where a table of transitions says from which states it can be reached.
    """

    name: str
    done: str
    warning: str
    use_case: Callable[..., Any]
    leads_to: str = ""
    danger: bool = False

    def tool(self, url: str) -> Tool:
        """Makes the button that leads to the page of this change."""
        return Tool(self.name, url, "danger" if self.danger else "plain")


def find_for_act(admin: RecordAdmin, request: HttpRequest, key: UUID | int, *, permission: str) -> Any:
    """Returns the record of this key. Raises: PermissionDenied, Http404."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
    return find_or_404(admin, request, str(key))


def confirm_act(
    admin: RecordAdmin,
    request: HttpRequest,
    record: Any,
    *,
    name: str,
    title: str,
    submit: str,
    seen: object,
    lock_state: Callable[[], object],
    effect: Callable[[str], Done],
    facts: Iterable[Fact],
    warning: Text,
    danger: bool = False,
    form_class: type[ReasonForm] = ReasonForm,
    with_calls: bool = False,
) -> HttpResponse:
    """Asks for the reason, and carries the act out once.

    Args: name: the act in addresses; seen: the state of the record that the page shows; lock_state: locks the record
    and returns that state anew; effect: carries the act out, given the reason; with_calls: whether the effect calls
    another service.
    """
    form = form_class(request.POST if request.method == "POST" else None)
    submission = Submission(request, f"{admin.model_label}:{name}:{record.pk}", seen)
    if form.is_valid() and (
        answer := submission.submit(
            form,
            lock_state=lock_state,
            effect=lambda: effect(form.cleaned_data["reason"]),
            with_calls=with_calls,
        )
    ):
        return answer
    page = change_url(admin.model_label, record.pk)
    return form_page(
        admin,
        request,
        title=title,
        form=form,
        submission=submission,
        submit=submit,
        back=page,
        parent=(admin.title_of(record), page),
        facts=facts,
        warning=warning,
        danger=danger,
    )


def confirm_change(
    admin: RecordAdmin,
    request: HttpRequest,
    record: Any,
    change: StateChange,
    *,
    name: str,
    arguments: Mapping[str, Any],
    seen: object,
    lock_state: Callable[[], object],
    facts: Iterable[Fact],
) -> HttpResponse:
    """Asks for the reason, and changes the record's state once.

    Args: arguments: those of the use case that name the record. The others are as for `confirm_act`.
    """
    title = admin.title_of(record)

    def effect(reason: str) -> Done:
        outcome = change.use_case(**arguments, by=actor_of(request), reason=reason)
        if isinstance(outcome, Proposal):
            outcome = Outcome(result=None, proposal=outcome)
        if isinstance(outcome, Outcome):
            return done_or_proposed(outcome, request)
        return Done(
            gettext("%(title)s is %(state)s.") % {"title": title, "state": gettext(change.done)},
            change_url(admin.model_label, record.pk),
        )

    return confirm_act(
        admin,
        request,
        record,
        name=name,
        title=f"{gettext(change.name)} {title}",
        submit=change.name,
        seen=seen,
        lock_state=lock_state,
        effect=effect,
        facts=facts,
        warning=change.warning,
        danger=change.danger,
    )


def change_on_page(
    admin: RecordAdmin,
    request: HttpRequest,
    object_id: str,
    *,
    form_class: type[ConsoleForm],
    initial: Callable[[Any], dict[str, Any]],
    state_of: Callable[[Any], object],
    effect: Callable[[Any, dict[str, Any]], Done],
    fields: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Shows a record, with a form on its page for those who may change it, and changes it once.

    Args: initial: the form's values of the record; state_of: what must not have changed since the page was shown;
    effect: changes the record, given the form's values; fields: the field of each refusal.
    """
    may_change = admin.has_change_permission(request)
    if not admin.has_view_permission(request) or (request.method not in ("GET", "HEAD") and not may_change):
        raise PermissionDenied
    key = unquote(object_id)
    record = find_or_404(admin, request, key)
    if not may_change:
        return record_page(admin, request, record)
    form = form_class(request.POST if request.method == "POST" else None, initial=initial(record))
    submission = Submission(request, f"{admin.model_label}:change:{record.pk}", state_of(record))

    def lock_state() -> object:
        # Races with another member of staff who changes the same record.
        return state_of(type(record)._default_manager.select_for_update(no_key=True).get(pk=record.pk))

    if form.is_valid() and (
        answer := submission.submit(
            form, lock_state=lock_state, effect=lambda: effect(record, form.cleaned_data), fields=fields
        )
    ):
        return answer
    shown = find_or_404(admin, request, key)
    return record_page(admin, request, shown, form=form, form_title="Change", submission=submission)
