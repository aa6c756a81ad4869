from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"
    sql_after_tables = (
        "models/storage.sql",
        "models/transitions.sql",
        "models/catalog.sql",
        "models/provisioning.sql",
        "models/books/card_entries.sql",
        "models/books/card_chain.sql",
        "models/books/months.sql",
        "models/documents/documents.sql",
        "models/webhooks/webhooks.sql",
        "use_cases/books/vat_of_credit.sql",
        "use_cases/subscriptions/unused_month.sql",
        "use_cases/checkout/place_orders.sql",
        "use_cases/figures/refresh_figures.sql",
        "use_cases/figures/refresh_use.sql",
    )
    proposal_kinds = (
        "orders.use_cases.payments.request_refund.ORDER_REFUND",
        "orders.use_cases.books.write_off.WRITE_OFF",
        "orders.use_cases.trail.move_credit_out.CREDIT_OUT",
        "orders.use_cases.trail.move_credit_in.CREDIT_IN",
    )
    # Used by `rotate_secrets`, by `verify_ledger`, by the restrictions of vouchers, and by forecasts.
    encrypt_secrets = "orders.use_cases.webhooks.endpoint_secrets.encrypt_secrets_anew"
    ledger_checks = ("use_cases/books/verify_card_entries.sql", "use_cases/documents/verify_documents.sql")
    proof_chains = {"card": ("use_cases/books/card_chain", "orders_cardentry_chained")}
    sold_items = "orders.queries.items.load_sold_items"
    replay_orders = "orders.use_cases.campaigns.replay_orders.replay_orders"
