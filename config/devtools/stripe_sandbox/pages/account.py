"""The pages beside checkout: the overview, the billing portal, hosted invoices with their PDF, and receipts."""

import time
from html import escape

from config.devtools.stripe_sandbox.clock import BILLING
from config.devtools.stripe_sandbox.money import format_amount
from config.devtools.stripe_sandbox.pages.layout import button, message, page, table
from config.devtools.stripe_sandbox.resources.billing.subscriptions import period_of
from config.devtools.stripe_sandbox.sandbox import Sandbox
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World

MAX_ROWS = 20


def overview(sandbox: Sandbox) -> str:
    """Render the overview: sessions, subscriptions, webhooks, and the switches that a demo needs."""
    world = sandbox.world
    now = time.strftime("%d %B %Y, %H:%M UTC", time.gmtime(world.clock.now(BILLING)))
    cards = sandbox.store.setting("cards", {"default": "pays"})["default"]
    switch = ("declines", "Let saved cards be declined") if cards == "pays" else ("pays", "Let saved cards pay")
    sessions = [_session_row(each) for each in world.store.select("checkout.session")[:MAX_ROWS]]
    subscriptions = [_subscription_row(world, each) for each in world.store.select("subscription")[:MAX_ROWS]]
    attempts = [
        [escape(each["type"]), str(each["status"] or "no answer"), escape(each["error"] or "")[:120]]
        for each in reversed(sandbox.store.log("attempts")[-MAX_ROWS:])
    ]
    body = (
        "<h1>Stripe sandbox</h1>"
        f"<p class=soft>Billing's clock: {now}. Saved cards: {'pay' if cards == 'pays' else 'are declined'}.</p>"
        f"<div class=row>{button('/overview/month', 'Let a month pass', inline=True)} "
        f"{button(f'/overview/cards/{switch[0]}', switch[1], inline=True)}</div>"
        f"<h2>Checkout sessions</h2>{table(['Session', 'For', 'Total', 'State', ''], sessions)}"
        f"<h2>Subscriptions</h2>{table(['Subscription', 'Status', 'Period ends', 'Latest invoice'], subscriptions)}"
        f"<h2>Webhooks delivered</h2>{table(['Event', 'Status', 'Error'], attempts)}"
    )
    return page("Overview", body, wide=True)


def _session_row(session: Object) -> list[str]:
    links = ""
    if session["status"] == "open":
        links = f'<a href="{escape(session["url"])}">open</a>'
    elif session["payment_status"] == "unpaid" and session["status"] == "complete":
        address = f"/overview/sessions/{session['id']}"
        links = button(f"{address}/settle_async", "Debit arrives", inline=True) + button(
            f"{address}/fail_async", "Debit fails", inline=True
        )
    known = session["client_reference_id"] or session["customer_email"] or session["customer"] or ""
    total = _exact(session["amount_total"], session["currency"])
    state = f"{session['status']}, {session['payment_status'].replace('_', ' ')}"
    return [f"<code>{session['id'][:20]}…</code>", escape(known), total, state, links]


def _subscription_row(world: World, subscription: Object) -> list[str]:
    invoice = world.store.load(subscription["latest_invoice"] or "") or {}
    shown = (
        f'<a href="/i/{invoice["id"]}">{escape(invoice["number"])}</a> '
        f"{format_amount(invoice['total'], invoice['currency'])}, {invoice['status']}"
        if invoice
        else ""
    )
    return [
        f"<code>{subscription['id']}</code>",
        subscription["status"],
        _date(period_of(subscription)[1]),
        shown,
    ]


def portal_page(world: World, portal: Object) -> str:
    """Render the billing portal for a customer."""
    customer = world.get("customer", portal["customer"])
    address = f"/p/session/{portal['id']}"
    rows = []
    for each in world.store.select("subscription", customer=customer["id"]):
        ends = _date(period_of(each)[1])
        action = ""
        state = each["status"]
        if each["status"] != "canceled":
            verb, text = ("keep", "Keep it") if each["cancel_at_period_end"] else ("end", f"End it on {ends}")
            action = button(f"{address}/{each['id']}/{verb}", text, inline=True)
            state = f"{state}, ends {ends}" if each["cancel_at_period_end"] else f"{state}, renews {ends}"
        total = sum(item["price"]["unit_amount"] * item["quantity"] for item in each["items"]["data"])
        rows.append([_exact(total, each["currency"]), state, action])
    invoices = [_invoice_row(each) for each in world.store.select("invoice", customer=customer["id"])]
    back = portal["return_url"]
    leave = f'<a class="button" href="{escape(back)}">Return to the shop</a>' if back else ""
    body = (
        f"<h1>Billing</h1><p class=soft>{escape(customer['email'] or customer['id'])}</p>"
        f"<h2>Subscriptions</h2>{table(['Price', 'Status', ''], rows)}"
        f"<h2>Invoices</h2>{table(['Invoice', 'Date', 'Total', 'Status'], invoices)}{leave}"
    )
    return page("Billing", body)


def _invoice_row(invoice: Object) -> list[str]:
    link = f'<a href="/i/{invoice["id"]}">{escape(invoice["number"])}</a>'
    return [link, _date(invoice["created"]), _exact(invoice["total"], invoice["currency"]), invoice["status"]]


def invoice_page(invoice: Object, *, declined: bool = False) -> str:
    """Render a hosted invoice. An open one can be paid on the page."""
    currency = invoice["currency"]
    rows = "".join(
        f"<tr><td>{escape(line['description'])}</td>"
        f"<td class=amount>{format_amount(line['amount'], currency)}</td></tr>"
        for line in invoice["lines"]["data"]
    )
    off = invoice["subtotal"] - invoice["total"]
    if off:
        rows += f"<tr><td>Discount</td><td class=amount>-{format_amount(off, currency)}</td></tr>"
    rows += f"<tr class=total><td>Total</td><td class=amount>{format_amount(invoice['total'], currency)}</td></tr>"
    notice = '<p class="notice" role="alert">The card was declined.</p>' if declined else ""
    pay = ""
    if invoice["status"] == "open":
        pay = button(
            f"/i/{invoice['id']}/pay", f"Pay {format_amount(invoice['amount_remaining'], currency)}", main=True
        )
    body = (
        f"<h1>Invoice {escape(invoice['number'])}</h1>"
        f"<p class=soft>{escape(invoice['customer_email'] or '')} · {_date(invoice['created'])}"
        f" · {invoice['status']}</p>"
        f"{notice}<table><tbody>{rows}</tbody></table>{pay}"
        f'<a class="button" href="/i/{invoice["id"]}/pdf">PDF</a>'
    )
    return page(f"Invoice {invoice['number']}", body)


def receipt_page(charge: Object) -> str:
    """Render the receipt of a charge."""
    paid = format_amount(charge["amount"], charge["currency"])
    back = charge["amount_refunded"]
    text = f"{paid} paid on {_date(charge['created'])}."
    return message("Receipt", text + (f" {format_amount(back, charge['currency'])} refunded." if back else ""))


def invoice_pdf(invoice: Object) -> bytes:
    """Make the invoice as a PDF of one page."""
    currency = invoice["currency"]
    lines = [
        f"Invoice {invoice['number']} (sandbox, not a real invoice)",
        f"{_date(invoice['created'])}  {invoice['status']}",
        "",
        *(f"{line['description']}   {format_amount(line['amount'], currency)}" for line in invoice["lines"]["data"]),
        f"Discount   -{format_amount(invoice['subtotal'] - invoice['total'], currency)}",
        f"Total   {format_amount(invoice['total'], currency)}",
    ]
    shown = "".join(f"({_pdf_text(line)}) Tj T*\n" for line in lines)
    stream = f"BT /F1 12 Tf 16 TL 60 780 Td\n{shown}ET".encode("latin-1", "replace")
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    document = b"%PDF-1.4\n"
    offsets = []
    for number, part in enumerate(parts, 1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    index = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(parts) + 1
    return document + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (size, index, size, len(document))
    )


def _exact(amount: int, currency: str) -> str:
    return f"<span class=exact>{format_amount(amount, currency)}</span>"


def _pdf_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _date(at: int) -> str:
    return time.strftime("%d %b %Y", time.gmtime(at))
