"""The kind of proposal that lets customers redeem some cards of a batch. Other acts on cards need no approval."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from billing.actor import Actor
from billing.language import say
from billing.money import format_money
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import Outcome, run_or_propose
from promos.errors import InvalidRange
from promos.locks import lock_batch
from promos.models import Batch, CardRange, Dealer
from promos.use_cases.ranges.act_on_cards import Report, act_on_cards, describe_report, merge_spans, preview_act
from promos.use_cases.ranges.plan_act import Act

# So many spans can be compared by the person who approves them.
MAX_PROPOSED_SPANS = 100


def act_or_propose(
    *,
    batch: Batch,
    act: Act,
    spans: Iterable[tuple[int, int]],
    by: Actor,
    reason: str,
    dealer: Dealer | None = None,
    expires_at: datetime | None = None,
    only_dealer: Dealer | None = None,
) -> Outcome:
    """Acts on cards as `act_on_cards` does; proposes an activation above a limit of the actor's role.

    Raises: as `act_on_cards` does.
    """
    if act != Act.ACTIVATE or dealer or expires_at:
        report = act_on_cards(
            batch=batch,
            act=act,
            spans=spans,
            by=by,
            reason=reason,
            dealer=dealer,
            expires_at=expires_at,
            only_dealer=only_dealer,
        )
        return Outcome(result=_result_of(batch.pk, report), proposal=None)
    arguments = {
        "batch_id": batch.pk,
        "spans": [list(span) for span in merge_spans(spans)],
        "dealer_id": only_dealer.pk if only_dealer else None,
    }
    return run_or_propose(RANGE_ACTIVATION, arguments, why=reason, by=by)


def _describe(arguments: Arguments, state: Any) -> str:
    return f"Activate cards of the batch {_find(arguments)}"


def _lock_state(arguments: Arguments) -> dict[str, Any]:
    """Returns the batch's state, and a digest of the ranges that the cards are in."""
    batch = lock_batch(batch_id=arguments["batch_id"])
    first, last = arguments["spans"][0][0], arguments["spans"][-1][1]
    ranges = CardRange.objects.filter(batch=batch, first_serial__lte=last, last_serial__gte=first)
    rows = ranges.order_by("first_serial").values_list(
        "first_serial", "last_serial", "status", "locked", "dealer_id", "expires_at"
    )
    text = json.dumps(list(rows), default=str)
    return {"status": batch.status, "ranges": hashlib.sha256(text.encode()).hexdigest()}


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    spans = arguments["spans"]
    if len(spans) > MAX_PROPOSED_SPANS:
        sentence = say("at most %(number)s spans can be proposed at once", number=MAX_PROPOSED_SPANS)
        raise InvalidRange(fields={"file": [sentence]})
    batch, report = _find(arguments), _preview(arguments)
    dealer = Dealer.objects.filter(pk=arguments["dealer_id"]).first()
    credit = format_money(report.changed * batch.promo_code.credit_minor, currency=batch.promo_code.currency)
    return [
        Difference("Serial numbers", "", ", ".join(f"{first}-{last}" for first, last in spans)),
        *([Difference("Only cards of", "", dealer.name)] if dealer else []),
        Difference("Cards that become active", "", f"{report.changed:,} of {report.cards:,}"),
        Difference("Credit that customers can redeem", "", credit),
    ]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    return {"activate_credit": _preview(arguments).changed * _find(arguments).promo_code.credit_minor}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    report = act_on_cards(**_act_arguments(arguments), by=by, reason=why)
    return _result_of(arguments["batch_id"], report)


def _result_of(batch_id: int, report: Report) -> Result:
    return Result(describe_report(report), "promos_batch", str(batch_id), report)


def _preview(arguments: Arguments) -> Report:
    return preview_act(**_act_arguments(arguments))


def _act_arguments(arguments: Arguments) -> dict[str, Any]:
    return {
        "batch": _find(arguments),
        "act": Act.ACTIVATE,
        "spans": [(first, last) for first, last in arguments["spans"]],
        "only_dealer": Dealer.objects.filter(pk=arguments["dealer_id"]).first(),
    }


def _find(arguments: Arguments) -> Batch:
    return Batch.objects.select_related("promo_code").get(pk=arguments["batch_id"])


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "promos_batch", str(arguments["batch_id"])


RANGE_ACTIVATION = Kind(
    name="range_activation",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=_subject,
)
