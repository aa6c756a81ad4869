"""The customers' pages. With AUTH_ENABLED=0 there are none, because the platform has its own."""

from django.urls import path

from . import redeem
from .account import (
    credit,
    data,
    deletion,
    documents,
    mails,
    orders,
    organization,
    overview,
    sessions,
    sources,
    statements,
)
from .shop import checkout, choose, order, review

urlpatterns = [
    path("redeem", redeem.redeem_page, name="redeem"),
    path("account", overview.account_page, name="account"),
    path("account/credit", credit.credit_page, name="account-credit"),
    path("account/data", data.data_page, name="account-data"),
    path("account/data/file", data.download_data, name="account-download-data"),
    path("account/delete", deletion.deletion_page, name="account-delete"),
    path("account/delete/code", deletion.send_deletion_code, name="account-delete-code"),
    path("account/mails", mails.mails_page, name="account-mails"),
    path("mails", mails.unsubscribe_page, name="unsubscribe"),
    path("account/credit/sources", sources.sources_page, name="account-credit-sources"),
    path("account/orders", orders.orders_page, name="account-orders"),
    path("account/sessions", sessions.sessions_page, name="account-sessions"),
    path("account/sessions/end-one", sessions.end_session, name="account-end-session"),
    path("account/statements", statements.statements_page, name="account-statements"),
    path("account/statements/<str:month>", statements.statement_page, name="account-statement"),
    path("account/statements/<str:month>/pdf", statements.statement_file, name="account-statement-file"),
    path("account/documents", documents.documents_page, name="account-documents"),
    path("account/documents/<uuid:document_id>", documents.document_page, name="account-document"),
    path("account/documents/<uuid:document_id>/pdf", documents.document_file, name="account-document-file"),
    path("account/sessions/end", sessions.end_all_sessions, name="account-end-sessions"),
    path("account/organizations/<uuid:organization_id>", organization.organization_page, name="account-organization"),
    *(
        path(f"account/organizations/<uuid:organization_id>/{act}", view, name=f"account-organization-{act}")
        for act, view in {
            "change": organization.change_plan,
            "cancel": organization.cancel,
            "resume": organization.resume,
            "portal": organization.portal,
            "invite": organization.invite,
            "vat-number": organization.change_vat_number,
            "remove": organization.remove,
            "delete": organization.delete,
        }.items()
    ),
    path("shop", choose.plan_step, name="shop"),
    path("shop/apps", choose.apps_step, name="shop-apps"),
    path("shop/add-ons", choose.addons_step, name="shop-addons"),
    path("shop/checkout", checkout.checkout_step, name="shop-checkout"),
    path("shop/review", review.review_step, name="shop-review"),
    path("shop/orders/<uuid:order_id>", order.order_page, name="shop-order"),
    path("shop/orders/<uuid:order_id>/give-up", order.give_up, name="shop-give-up"),
]
