"""The page of a Checkout Session: its lines, its total, and the customer's choices."""

from html import escape

from config.devtools.stripe_sandbox.money import format_amount
from config.devtools.stripe_sandbox.pages.layout import message, page
from config.devtools.stripe_sandbox.resources.completion import DEFAULT_EMAIL, success_url
from config.devtools.stripe_sandbox.store import Object

_DECLINED = '<p class="notice" role="alert">Your card was declined. Nothing was charged; you can try again.</p>'


def checkout_page(session: Object, *, declined: bool = False) -> str:
    """Render the page for the session's state."""
    if session["status"] == "complete":
        done = {"unpaid": "The bank debit is on its way.", "paid": "It is paid."}
        text = done.get(session["payment_status"], "There was nothing to pay.")
        return message("This checkout is complete", text, (success_url(session), "Return to the shop"))
    if session["status"] == "expired":
        link = (session["cancel_url"], "Return to the shop") if session["cancel_url"] else None
        return message("This checkout has expired", "Nothing was charged. Start again from the shop.", link)
    every = _interval(session)
    title = "Subscribe" if session["mode"] == "subscription" else "Pay"
    reference = escape(session["client_reference_id"] or session["id"])
    body = (
        f"<h1>{title}</h1><p class=soft>Reference <code>{reference}</code></p>"
        f"{_DECLINED if declined else ''}{_lines(session, every)}{_forms(session)}"
    )
    return page(title, body)


def _interval(session: Object) -> str:
    for line in session["_sandbox"]["lines"]:
        recurring = line["price"]["recurring"]
        if recurring:
            count = recurring["interval_count"]
            return str(recurring["interval"]) if count == 1 else f"{count} {recurring['interval']}s"
    return ""


def _lines(session: Object, every: str) -> str:
    currency = session["currency"]
    rows = []
    for line in session["_sandbox"]["lines"]:
        unit = format_amount(line["price"]["unit_amount"], currency)
        each = f" each {unit}" if line["quantity"] > 1 else ""
        again = f" every {every}" if line["price"]["recurring"] else " once"
        rows.append(
            f"<tr><td>{escape(line['description'])}<br><span class=soft>{line['quantity']} ×{each}{again}</span></td>"  # noqa: RUF001
            f"<td class=amount>{format_amount(line['amount_subtotal'], currency)}</td></tr>"
        )
    coupon = session["_sandbox"]["coupon"]
    if coupon:
        off = format_amount(session["total_details"]["amount_discount"], currency)
        rows.append(
            f"<tr><td>Subtotal</td><td class=amount>{format_amount(session['amount_subtotal'], currency)}</td></tr>"
        )
        rows.append(
            f"<tr><td>{escape(coupon['name'] or 'Discount')}<br><span class=soft>{_duration(coupon)}</span></td>"
            f"<td class=amount>-{off}</td></tr>"
        )
    total = format_amount(session["amount_total"], currency)
    rows.append(f'<tr class=total><td>Total due today</td><td class=amount id="total">{total}</td></tr>')
    return f"<table><tbody>{''.join(rows)}</tbody></table>{_afterwards(session, every)}"


def _duration(coupon: Object) -> str:
    months = coupon["duration_in_months"]
    return {"once": "this time only", "forever": "every time"}.get(coupon["duration"], f"for {months} months")


def _afterwards(session: Object, every: str) -> str:
    """Render the later price, so that a customer does not mistake a discounted first payment for it."""
    if not every:
        return ""
    full = sum(
        line["amount_subtotal"] for line in session["_sandbox"]["lines"] if line["price"]["recurring"] is not None
    )
    coupon = session["_sandbox"]["coupon"]
    if coupon and coupon["duration"] != "once":
        return f"<p class=soft>Renews every {escape(every)}.</p>"
    return f"<p class=soft>Then {format_amount(full, session['currency'])} every {escape(every)}.</p>"


def _forms(session: Object) -> str:
    total = format_amount(session["amount_total"], session["currency"])
    address = f"/c/pay/{session['id']}"
    ask = ""
    if not session["customer"]:
        email = escape(session["customer_email"] or DEFAULT_EMAIL)
        ask = f'<label>E-mail<input type="email" name="email" value="{email}" required></label>'
    if session["amount_total"] == 0:
        buttons = '<button class=go name="action" value="pay">Subscribe, nothing to pay today</button>'
    else:
        buttons = (
            f'<button class=go name="action" value="pay">Pay {total}</button>'
            '<button name="action" value="refuse">Refuse the card</button>'
            '<button name="action" value="pay_async">Pay asynchronously (bank debit)</button>'
        )
    leave = ""
    if session["cancel_url"]:
        leave = f'<a class="button" href="{escape(session["cancel_url"])}">Leave without paying</a>'
    return f'<div class=choices><form method="post" action="{address}">{ask}{buttons}</form>{leave}</div>'
