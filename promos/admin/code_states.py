"""The pages and list actions that pause, resume or retire vouchers."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from billing.admin.console.acts import StateChange
from billing.admin.console.base import RecordAdmin, View
from billing.admin.console.display import Fact, Tool, change_url, list_url
from billing.admin.console.forms import ReasonForm
from billing.admin.console.pages import form_page
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission, tell
from billing.errors import DomainError
from billing.language import say
from promos.locks import lock_code_exclusively
from promos.models import PromoCode
from promos.use_cases.change_code import pause_code, resume_code, retire_code

from .states import format_usage, state_badge, state_of

# One action pauses, resumes or retires at most this many vouchers.
_MAX_SELECTED = 200

CHANGES = {
    "pause": StateChange(
        name="Pause",
        done="paused",
        warning="Customers cannot redeem it until it is resumed.",
        use_case=pause_code,
    ),
    "resume": StateChange(
        name="Resume",
        done="resumed",
        warning="Customers can redeem it again, unless it has expired or is exhausted.",
        use_case=resume_code,
    ),
    "retire": StateChange(
        name="Retire",
        done="retired",
        warning="Customers no longer find it, and lists leave it out. Customers keep the credit that it granted."
        " To bring it back, give it new terms.",
        use_case=retire_code,
        danger=True,
    ),
}


def lock_update_time(promo_code: PromoCode) -> datetime:
    """Locks the voucher, and returns when it was changed last."""
    # Races with another member of staff and with redemptions in flight.
    lock_code_exclusively(promo_code_id=promo_code.pk)
    return PromoCode.objects.only("updated_at").get(pk=promo_code.pk).updated_at


class CodeStatesAdmin(RecordAdmin):
    """The part of the vouchers' pages that changes states. The queryset annotates `state` and the use."""

    actions = ("pause", "resume", "retire")

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.retired_at or not self.has_change_permission(request):
            return
        yield self._tool("pause" if record.active else "resume", record)
        yield self._tool("retire", record)

    def _tool(self, name: str, promo_code: PromoCode) -> Tool:
        return CHANGES[name].tool(f"{self._url(name)}?id={promo_code.pk}")

    def _url(self, name: str) -> str:
        return reverse(f"admin:{self.model_label}_{name}")

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [(f"{name}/", name, partial(self._change_states, name)) for name in CHANGES]

    def _change_states(self, name: str, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        sent = request.POST if request.method == "POST" else request.GET
        codes = self._chosen(request, sent.getlist("id"))
        if not codes:
            raise Http404
        form = ReasonForm(request.POST if request.method == "POST" else None)
        submission = self._submission(request, name, codes)
        if form.is_valid():
            self._run(request, CHANGES[name], codes, submission, reason=form.cleaned_data["reason"])
            return HttpResponseRedirect(self._result_url(codes))
        return self._ask(request, name, codes, form, submission)

    def _submission(self, request: HttpRequest, name: str, codes: Sequence[Any]) -> Submission:
        return Submission(request, f"{self.model_label}:{name}", {str(each.pk): each.updated_at for each in codes})

    def _result_url(self, codes: Sequence[Any]) -> str:
        return change_url(self.model_label, codes[0].pk) if len(codes) == 1 else list_url(self.model_label)

    def _ask(
        self, request: HttpRequest, name: str, codes: Sequence[Any], form: forms.Form, submission: Submission
    ) -> HttpResponse:
        change = CHANGES[name]
        named = codes[0].code if len(codes) == 1 else say("%(number)s vouchers", number=len(codes))
        title = f"{say(change.name)} {named}"
        return form_page(
            self,
            request,
            title=title,
            form=form,
            submission=submission,
            submit=title,
            back=self._result_url(codes),
            action=self._url(name),
            facts=[
                Fact(each.code, format_html("{} {}", state_badge(state_of(each)), format_usage(each)))
                for each in codes
            ],
            warning=change.warning,
            danger=change.danger,
            hidden=[("id", str(each.pk)) for each in codes],
        )

    def _run(
        self, request: HttpRequest, change: StateChange, codes: Sequence[Any], submission: Submission, *, reason: str
    ) -> None:
        """Changes each voucher in its own transaction, so that no voucher is locked for the others' sake."""
        by, url = actor_of(request), self._result_url(codes)
        outcomes: dict[str, list[str]] = {"done": [], "unchanged": [], "repeated": []}
        for promo_code in codes:

            def act(promo_code: Any = promo_code) -> Done:
                changed = change.use_case(code=promo_code.code, by=by, reason=reason)
                # The message is the outcome's name; one message for all vouchers of an outcome follows below.
                return Done("unchanged" if changed.updated_at == promo_code.updated_at else "done", url)

            try:
                done, is_repeated = submission.run_once(
                    lock_state=partial(lock_update_time, promo_code), effect=act, part=str(promo_code.pk)
                )
            except DomainError as error:
                messages.error(
                    request,
                    say(
                        "%(code)s was not %(state)s: %(why)s.",
                        code=promo_code.code,
                        state=say(change.done),
                        why=error.text,
                    ),
                )
            else:
                outcomes["repeated" if is_repeated else done.message].append(promo_code.code)
        if outcomes["done"]:
            messages.success(request, f"{say(change.done).capitalize()}: {', '.join(outcomes['done'])}.")
        if outcomes["unchanged"]:
            messages.info(
                request,
                say(
                    "Already %(state)s, nothing to change: %(codes)s.",
                    state=say(change.done),
                    codes=", ".join(outcomes["unchanged"]),
                ),
            )
        if outcomes["repeated"]:
            texts = f"{say(change.done).capitalize()}: {', '.join(outcomes['repeated'])}."
            tell(request, Done(texts, url), is_repeated=True)

    def _chosen(self, request: HttpRequest, ids: Sequence[str]) -> list[Any]:
        """Returns the vouchers of these ids, even if the list's filter no longer includes them. Raises: Http404."""
        try:
            keys = {UUID(identity) for identity in ids}
        except ValueError:
            raise Http404 from None
        if len(keys) > _MAX_SELECTED:
            raise Http404
        return list(self.get_queryset(request).filter(pk__in=keys).order_by("code"))

    def _from_list(self, request: HttpRequest, queryset: QuerySet[Any], name: str) -> HttpResponse | None:
        if request.POST.get("select_across", "0") == "0":
            codes = self._chosen(request, request.POST.getlist(helpers.ACTION_CHECKBOX_NAME))
        else:
            codes = list(queryset.order_by("code")[: _MAX_SELECTED + 1])
        if len(codes) > _MAX_SELECTED:
            messages.error(
                request, say("Choose at most %(number)s vouchers. Nothing was changed.", number=_MAX_SELECTED)
            )
            return None
        return self._ask(request, name, codes, ReasonForm(), self._submission(request, name, codes))

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._from_list(request, queryset, "pause")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._from_list(request, queryset, "resume")

    @admin.action(description="Retire", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._from_list(request, queryset, "retire")
