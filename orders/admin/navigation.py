"""The console's menu, by task. It shows the pages that a member of staff may read."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from billing.admin.proposals import DECIDE_PERMISSION, waiting_for

# Of each entry: title, icon, and the model as URLs name it.
_GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Vouchers",
        (
            ("Vouchers", "confirmation_number", "promos_promocode"),
            ("Campaigns", "sell", "promos_campaign"),
            ("Batches of cards", "style", "promos_batch"),
            ("Cards", "loyalty", "promos_card"),
            ("Ranges of cards", "view_week", "promos_cardrange"),
            ("Dealers", "storefront", "promos_dealer"),
            ("Redemptions", "redeem", "promos_redemption"),
            ("Refused attempts", "block", "promos_refusedattempt"),
            ("Alerts", "notifications", "promos_alert"),
        ),
    ),
    (
        "Approvals",
        (("Proposals", "approval", "billing_proposal"),),
    ),
    (
        "Money",
        (
            ("Customers & credit", "account_balance_wallet", "billing_customer"),
            ("Bulk grants", "playlist_add_check", "billing_bulkgrant"),
            ("Ledger", "receipt_long", "billing_ledgerentry"),
            ("Holds", "lock_clock", "billing_hold"),
            ("Card entries", "account_balance", "orders_cardentry"),
            ("Closed months", "event_available", "orders_closedmonth"),
            ("Posting rules", "rule", "orders_postingrule"),
            ("VAT rates", "percent", "orders_vatrate"),
        ),
    ),
    (
        "Sales",
        (
            ("Orders", "shopping_cart", "orders_order"),
            ("Organizations", "domain", "billing_organization"),
            ("Provisions", "rocket_launch", "orders_provision"),
            ("App jobs", "install_desktop", "orders_appjob"),
            ("Subscriptions", "autorenew", "billing_subscription"),
            ("Invoices", "description", "billing_invoice"),
            ("Documents", "request_quote", "orders_document"),
        ),
    ),
    (
        "Card payments",
        (
            ("Payments", "credit_card", "orders_payment"),
            ("Refunds", "undo", "orders_refund"),
            ("Breaks", "report", "orders_break"),
            ("Stripe events", "inbox", "orders_stripeevent"),
            ("Stripe keys", "key", "billing_processorsettings"),
        ),
    ),
    (
        "Catalog",
        (
            ("Plans", "layers", "orders_plan"),
            ("Add-ons", "extension", "orders_addon"),
            ("Apps", "apps", "orders_app"),
            ("Industries", "factory", "orders_industry"),
            ("Bundles", "inventory_2", "orders_bundle"),
        ),
    ),
    (
        "Stripe",
        (
            ("Customers", "person", "djstripe_customer"),
            ("Sessions", "shopping_cart_checkout", "djstripe_session"),
            ("Subscriptions", "autorenew", "djstripe_subscription"),
            ("Invoices", "description", "djstripe_invoice"),
            ("Payments", "payments", "djstripe_paymentintent"),
            ("Charges", "credit_card", "djstripe_charge"),
            ("Refunds", "undo", "djstripe_refund"),
            ("Disputes", "gavel", "djstripe_dispute"),
            ("Events", "webhook", "djstripe_event"),
        ),
    ),
    (
        "Oversight",
        (
            ("Events", "campaign", "orders_outboxevent"),
            ("Events set aside", "unsubscribe", "orders_deadletter"),
            ("Webhooks", "webhook", "orders_webhookendpoint"),
            ("Webhook deliveries", "outbox", "orders_webhookdelivery"),
            ("Jobs", "engineering", "procrastinate_procrastinatejob"),
            ("Audit", "policy", "billing_auditentry"),
            ("Signed heads", "verified", "billing_ledgerhead"),
            ("Checks of the chain", "link", "billing_ledgercheck"),
            ("Staff", "badge", "billing_user"),
        ),
    ),
)


def menu(request: HttpRequest) -> list[dict[str, Any]]:
    """Builds the groups and entries of the menu, in the form that django-unfold expects."""
    home = {"title": gettext("Overview"), "icon": "home", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [home]}]
    for title, entries in _GROUPS:
        items = [
            {
                "title": gettext(name),
                "icon": icon,
                "link": reverse(f"admin:{model}_changelist"),
                **_badge(request, model),
            }
            for name, icon, model in entries
            if request.user.has_perm("{}.view_{}".format(*model.split("_")))
        ]
        if title == "Oversight" and request.user.has_perm("orders.view_order"):
            items.append({"title": gettext("Mails"), "icon": "mail", "link": reverse("admin:orders_order_mails")})
        if items:
            groups.append({"title": gettext(title), "items": items})
    return groups


def _badge(request: HttpRequest, model: str) -> dict[str, Any]:
    """Returns the number of proposals that wait for this member of staff, in the form that django-unfold expects."""
    if model != "billing_proposal" or not request.user.has_perm(DECIDE_PERMISSION):
        return {}
    waiting = waiting_for(request)
    return {"badge": waiting, "badge_variant": "warning"} if waiting else {}
