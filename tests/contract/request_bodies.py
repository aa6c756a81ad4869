"""Bodies of requests that endpoints accept; names in braces stand for facts of the database."""

# The campaign of vouchers that name none. No act changes it.
DEFAULT_CAMPAIGN = "00000000-0000-7000-8000-000000000001"
ISSUE = {
    "code": "{code}",
    "credit_omr": 5,
    "description": "Welcome",
    "active": True,
    "max_redemptions": 3,
    "hot": False,
    "starts_at": "2020-01-01T00:00:00Z",
    "expires_at": "2099-01-01T00:00:00Z",
    "credit_days": 90,
    "credit_expires_at": "2099-01-01T00:00:00Z",
    "campaign_id": DEFAULT_CAMPAIGN,
    "reason": "spring",
}
FORECAST = {
    "credit_omr": 5,
    "max_redemptions": 3,
    "starts_at": "2020-01-01T00:00:00Z",
    "expires_at": "2099-01-01T00:00:00Z",
    "campaign_id": DEFAULT_CAMPAIGN,
    "days": 30,
}
BATCH_FORECAST = {
    "credit_omr": 5,
    "size": 3,
    "starts_at": "2020-01-01T00:00:00Z",
    "expires_at": "2099-01-01T00:00:00Z",
    "campaign_id": DEFAULT_CAMPAIGN,
    "days": 30,
}
SPRING = {"reason": "spring"}
CAMPAIGN = {
    "name": "{slug}",
    "purpose": "Win customers",
    "owner_email": "noor@example.org",
    "credit_class": "promotional",
    "vat_treatment": "no_consideration",
    "budget_omr": 500,
    "hot": False,
    "starts_at": "2020-01-01T00:00:00Z",
    "ends_at": "2099-01-01T00:00:00Z",
    "credit_days": 90,
    "credit_expires_at": "2099-01-01T00:00:00Z",
    "reason": "spring",
}
BATCH = {
    "name": "{slug}",
    "credit_omr": 5,
    "size": 2,
    "pattern": "####-####-####",
    "alphabet": "letters",
    "description": "Cards of shops",
    "campaign_id": DEFAULT_CAMPAIGN,
    "starts_at": "2020-01-01T00:00:00Z",
    "expires_at": "2099-01-01T00:00:00Z",
    "credit_days": 90,
    "credit_expires_at": "2099-01-01T00:00:00Z",
    "reason": "spring",
    "printer_key": "",
}
IMPORT = {"csv": "code,credit,cap\r\n{code}-NEW,5,3", "dry_run": False, "reason": "spring"}
GRANT = {
    "name": "{slug}",
    "csv": "ada,5\r\n{slug},1.250",
    "credit_omr": 5,
    "credit_class": "compensation",
    "expires_at": "2099-01-01T00:00:00Z",
    "reason": "an outage",
}
# No campaign has this name.
EXPORT = {
    "since": "2026-09-30T20:00:00Z",
    "until": "2026-10-31T20:00:00Z",
    "kind": "adjustment",
    "credit_class": "sold",
    "customer": "ada",
    "campaign": "Unknown",
    "at_least_minor": 1,
    "at_most_minor": 5,
    "file_format": "csv",
    "reason": "an audit",
}
CHECKOUT = {
    "tenant_id": "{tenant}",
    "plan_id": "flexi",
    "apps": ["wordpress"],
    "addons": ["waf"],
    "bundle": "starter",
    "promo_code": "{code}",
}
ORGANIZATION = {
    "slug": "{slug}",
    "name": "New",
    "plan_id": "m",
    "apps": ["wordpress"],
    "addons": ["backup"],
    "vat_number": "OM1100000000",
}
MERGE = {"customer_id": "no-such-customer", "into_customer_id": "nor-this-one", "reason": "one person"}
# Whether the organization has a plan or not, there is no such app.
APP_TO_INSTALL = {"slug": "no-such-app", "dep_choices": {"mariadb": "dedicated"}}
REPORT = {"id": "{slug}", "provision_id": "{tenant}", "status": "provisioning", "reported_at": "2026-01-01T00:00:00Z"}
START = {
    "tenant_id": "{tenant}",
    "order_id": "{tenant}",
    "plan_id": "m",
    "apps": ["wordpress"],
    "subdomain": "{slug}",
}
DOMAIN = {"tenant_id": "{tenant}", "domain": "shop.example.com"}

KEYS = {"stripe_secret_key": "sk_test_x", "stripe_webhook_secret": "whsec_x", "stripe_public_key": "pk_test_x"}
CODE = {"email": "{slug}@example.org", "code": "123456"}
CALLBACK = {"code": "{code}", "redirect_uri": "https://shop.example.org/callback"}
PASSWORD = {"email": "{slug}@example.org", "password": "wrong", "otp": "123456"}

WEBHOOK = {
    "url": "https://shop.example.com/hooks",
    "description": "The shop",
    "types": ["order.placed"],
    "reason": "a new shop",
}
