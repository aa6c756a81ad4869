from django.apps import AppConfig


class PromosConfig(AppConfig):
    name = "promos"
    default_auto_field = "django.db.models.BigAutoField"
    sql_after_tables = (
        "models/storage.sql",
        "models/promos.sql",
        "models/batches.sql",
        "models/ranges.sql",
        "use_cases/cards/cards.sql",
        "use_cases/slots.sql",
        "use_cases/budgets.sql",
        "use_cases/restrictions/restrictions.sql",
        "use_cases/redeem.sql",
        "use_cases/attempts/attempts.sql",
    )
    proposal_kinds = (
        "promos.use_cases.cards.printer_file.PRINTER_FILE",
        "promos.use_cases.approvals.approve_batch.BATCH_APPROVAL",
        "promos.use_cases.approvals.approve_campaign.CAMPAIGN_APPROVAL",
        "promos.use_cases.approvals.propose_issue.CODE_ISSUE",
        "promos.use_cases.approvals.propose_budget.CAMPAIGN_BUDGET",
        "promos.use_cases.approvals.propose_activation.BATCH_ACTIVATION",
        "promos.use_cases.approvals.propose_cards.RANGE_ACTIVATION",
        "promos.use_cases.code_import.import_codes.CODE_IMPORT",
        "promos.use_cases.approvals.propose_release.REDEMPTION_RELEASE",
    )
