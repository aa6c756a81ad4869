"""dj-stripe's tables as the models of version 2.11 say, in one step.

dj-stripe's own migrations take a minute on an empty database, most of it to render the models anew after each of
some 500 operations. This makes the same tables (tests/config/test_stripe_tables.py compares the two). A later
version of dj-stripe gets a migration of its own beside this one: `manage.py makemigrations djstripe`.
"""

import uuid

import django.core.validators
import django.db.models.deletion
import djstripe.enums
import djstripe.fields
import djstripe.models.api
import djstripe.models.payment_methods
import djstripe.models.webhooks
from django.conf import settings
from django.db import migrations, models

STRIPE_OBJECT = {"get_latest_by": "created", "abstract": False}


def stripe_object():
    """The fields that every object of Stripe's has."""
    return [
        ("djstripe_created", models.DateTimeField(auto_now_add=True)),
        ("djstripe_updated", models.DateTimeField(auto_now=True)),
        ("stripe_data", djstripe.fields.JSONField(default=dict)),
        ("djstripe_id", models.BigAutoField(primary_key=True, serialize=False, verbose_name="ID")),
        ("id", djstripe.fields.StripeIdField(max_length=255, unique=True)),
        (
            "livemode",
            models.BooleanField(
                blank=True,
                default=None,
                help_text="Null here indicates that the livemode status is unknown or was previously unrecorded. Otherwise, this field indicates whether this record comes from Stripe test mode or live mode operation.",
                null=True,
            ),
        ),
        ("created", djstripe.fields.StripeDateTimeField(blank=True, null=True)),
        ("metadata", djstripe.fields.JSONField(blank=True, null=True)),
        (
            "djstripe_owner_account",
            djstripe.fields.StripeForeignKey(
                blank=True,
                help_text="The Stripe Account this object belongs to.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                to="djstripe.account",
                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
            ),
        ),
    ]


class CreateTables(migrations.SeparateDatabaseAndState):
    """Creates tables from models in their final state, which is rendered once.

    The models refer to one another in circles: PostgreSQL gets the foreign keys after the last table.
    """

    def __init__(self, models):
        super().__init__(database_operations=models, state_operations=models)

    def state_forwards(self, app_label, state):
        # What is rendered already would be rendered again after each of the models.
        state.__dict__.pop("apps", None)
        super().state_forwards(app_label, state)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        for model in self.database_operations:
            model.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        for model in reversed(self.database_operations):
            model.database_backwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    initial = True

    dependencies = [("billing", "0001_initial")]

    operations = [
        CreateTables(
            [
                migrations.CreateModel(
                    name="CountrySpec",
                    fields=[
                        ("djstripe_created", models.DateTimeField(auto_now_add=True)),
                        ("djstripe_updated", models.DateTimeField(auto_now=True)),
                        ("stripe_data", djstripe.fields.JSONField(default=dict)),
                        ("id", models.CharField(max_length=2, primary_key=True, serialize=False)),
                        ("default_currency", djstripe.fields.StripeCurrencyCodeField(max_length=3)),
                        ("supported_bank_account_currencies", djstripe.fields.JSONField()),
                        ("supported_payment_currencies", djstripe.fields.JSONField()),
                        ("supported_payment_methods", djstripe.fields.JSONField()),
                        ("supported_transfer_countries", djstripe.fields.JSONField()),
                        ("verification_fields", djstripe.fields.JSONField()),
                    ],
                    options={"abstract": False},
                ),
                migrations.CreateModel(
                    name="DjstripePaymentMethod",
                    fields=[
                        ("id", models.CharField(max_length=255, primary_key=True, serialize=False)),
                        ("type", models.CharField(db_index=True, max_length=50)),
                    ],
                ),
                migrations.CreateModel(
                    name="Account",
                    fields=[
                        *stripe_object(),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="AccountV2",
                    fields=[
                        *stripe_object(),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="ActiveEntitlement",
                    fields=[
                        *stripe_object(),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="APIKey",
                    fields=[
                        ("djstripe_created", models.DateTimeField(auto_now_add=True)),
                        ("djstripe_updated", models.DateTimeField(auto_now=True)),
                        ("stripe_data", djstripe.fields.JSONField(default=dict)),
                        ("djstripe_id", models.BigAutoField(primary_key=True, serialize=False, verbose_name="ID")),
                        ("created", djstripe.fields.StripeDateTimeField(blank=True, null=True)),
                        (
                            "id",
                            models.CharField(
                                default=djstripe.models.api.generate_api_key_id, editable=False, max_length=255
                            ),
                        ),
                        ("type", djstripe.fields.StripeEnumField(enum=djstripe.enums.APIKeyType, max_length=255)),
                        (
                            "name",
                            models.CharField(
                                blank=True,
                                help_text="An optional name to identify the key.",
                                max_length=100,
                                verbose_name="Key name",
                            ),
                        ),
                        (
                            "secret",
                            models.CharField(
                                help_text="The value of the key.",
                                max_length=128,
                                unique=True,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        regex="^(pk|sk|rk)_(test|live)_[a-zA-Z0-9]{24,}$"
                                    )
                                ],
                            ),
                        ),
                        (
                            "livemode",
                            models.BooleanField(help_text="Whether the key is valid for live or test mode."),
                        ),
                        (
                            "djstripe_owner_account",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The Stripe Account this object belongs to.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="ApplicationFee",
                    fields=[
                        *stripe_object(),
                        (
                            "account",
                            djstripe.fields.StripeForeignKey(
                                help_text="ID of the Stripe account this fee was taken from.",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="application_fees",
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "balance_transaction",
                            djstripe.fields.StripeForeignKey(
                                help_text="Balance transaction that describes the impact on your account balance.",
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.balancetransaction",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "charge",
                            djstripe.fields.StripeForeignKey(
                                help_text="The charge that the application fee was taken from.",
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.charge",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="BalanceTransaction",
                    fields=[
                        *stripe_object(),
                        ("amount", djstripe.fields.StripeQuantumCurrencyAmountField()),
                        ("currency", djstripe.fields.StripeCurrencyCodeField(max_length=3)),
                        ("source", djstripe.fields.StripeIdField(max_length=255)),
                        (
                            "type",
                            djstripe.fields.StripeEnumField(
                                enum=djstripe.enums.BalanceTransactionType, max_length=255
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="ApplicationFeeRefund",
                    fields=[
                        *stripe_object(),
                        (
                            "fee",
                            djstripe.fields.StripeForeignKey(
                                help_text="The application fee that was refunded",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="refunds",
                                to="djstripe.applicationfee",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "balance_transaction",
                            djstripe.fields.StripeForeignKey(
                                help_text="Balance transaction that describes the impact on your account balance.",
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.balancetransaction",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="BankAccount",
                    fields=[
                        *stripe_object(),
                        (
                            "fingerprint",
                            models.CharField(
                                help_text="Uniquely identifies this particular bank account. You can use this attribute to check whether two bank accounts are the same.",
                                max_length=16,
                            ),
                        ),
                        (
                            "account",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The external account the charge was made on behalf of. Null here indicates that this value was never set.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="bank_accounts",
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                    bases=(djstripe.models.payment_methods.ExternalAccountMixin, models.Model),
                ),
                migrations.CreateModel(
                    name="Card",
                    fields=[
                        *stripe_object(),
                        (
                            "fingerprint",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Uniquely identifies this particular card number.",
                                max_length=16,
                            ),
                        ),
                        (
                            "account",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The external account the charge was made on behalf of. Null here indicates that this value was never set.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="cards",
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                    bases=(djstripe.models.payment_methods.ExternalAccountMixin, models.Model),
                ),
                migrations.CreateModel(
                    name="Charge",
                    fields=[
                        *stripe_object(),
                        ("amount", djstripe.fields.StripeDecimalCurrencyAmountField(decimal_places=2, max_digits=14)),
                        ("currency", djstripe.fields.StripeCurrencyCodeField(max_length=3)),
                        ("status", djstripe.fields.StripeEnumField(enum=djstripe.enums.ChargeStatus, max_length=255)),
                        (
                            "balance_transaction",
                            djstripe.fields.StripeForeignKey(
                                help_text="The balance transaction that describes the impact of this charge on your account balance (not including refunds or disputes).",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.balancetransaction",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The customer associated with this charge.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="charges",
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "source",
                            djstripe.fields.PaymentMethodForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="charges",
                                to="djstripe.djstripepaymentmethod",
                            ),
                        ),
                        (
                            "invoice",
                            djstripe.fields.StripeForeignKey(
                                help_text="The invoice this charge is for if one exists.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="charges",
                                to="djstripe.invoice",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "payment_intent",
                            djstripe.fields.StripeForeignKey(
                                help_text="PaymentIntent associated with this charge, if one exists.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="charges",
                                to="djstripe.paymentintent",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "payment_method",
                            djstripe.fields.StripeForeignKey(
                                help_text="PaymentMethod used in this charge.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="charges",
                                to="djstripe.paymentmethod",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Customer",
                    fields=[
                        *stripe_object(),
                        ("email", models.TextField(blank=True, default="", max_length=5000)),
                        ("date_purged", models.DateTimeField(editable=False, null=True)),
                        (
                            "subscriber",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="djstripe_customers",
                                to="billing.customer",
                            ),
                        ),
                        (
                            "default_payment_method",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="default payment method used for subscriptions and invoices for the customer.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="djstripe.paymentmethod",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="EarlyFraudWarning",
                    fields=[
                        *stripe_object(),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Event",
                    fields=[
                        *stripe_object(),
                        (
                            "api_version",
                            models.CharField(
                                blank=True,
                                help_text="the API version at which the event data was rendered. Blank for old entries only, all new entries will have this value",
                                max_length=64,
                            ),
                        ),
                        ("data", djstripe.fields.JSONField()),
                        (
                            "request_id",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Information about the request that triggered this event, for traceability purposes. If empty string then this is an old entry without that data. If Null then this is not an old entry, but a Stripe 'automated' event with no associated request.",
                                max_length=50,
                            ),
                        ),
                        ("idempotency_key", models.TextField(blank=True, default="")),
                        ("type", models.CharField(help_text="Stripe's event description code", max_length=250)),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Feature",
                    fields=[
                        *stripe_object(),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="File",
                    fields=[
                        *stripe_object(),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="FileLink",
                    fields=[
                        *stripe_object(),
                        (
                            "file",
                            djstripe.fields.StripeForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.file",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="IdempotencyKey",
                    fields=[
                        (
                            "uuid",
                            models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                        ),
                        ("action", models.CharField(max_length=100)),
                        ("livemode", models.BooleanField(help_text="Whether the key was used in live or test mode.")),
                        ("created", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={"unique_together": {("action", "livemode")}},
                ),
                migrations.CreateModel(
                    name="Invoice",
                    fields=[
                        *stripe_object(),
                        (
                            "charge",
                            models.OneToOneField(
                                help_text="The latest charge generated for this invoice, if any.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="latest_%(class)s",
                                to="djstripe.charge",
                            ),
                        ),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                help_text="The customer associated with this invoice.",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="%(class)ss",
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "payment_intent",
                            models.OneToOneField(
                                help_text="The PaymentIntent associated with this invoice. The PaymentIntent is generated when the invoice is finalized, and can then be used to pay the invoice.Note that voiding an invoice will cancel the PaymentIntent",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.paymentintent",
                            ),
                        ),
                        (
                            "default_payment_method",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="Default payment method for the invoice. It must belong to the customer associated with the invoice. If not set, defaults to the subscription's default payment method, if any, or to the default payment method in the customer's invoice settings.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="djstripe.paymentmethod",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "subscription",
                            djstripe.fields.StripeForeignKey(
                                help_text="The subscription that this invoice was prepared for, if any.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="%(class)ss",
                                to="djstripe.subscription",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "default_tax_rates",
                            models.ManyToManyField(
                                blank=True,
                                db_table="djstripe_djstripeinvoicedefaulttaxrate",
                                help_text="The tax rates applied to this invoice, if any.",
                                related_name="+",
                                to="djstripe.taxrate",
                            ),
                        ),
                    ],
                    options={"abstract": False, "get_latest_by": "created", "ordering": ["-created"]},
                ),
                migrations.CreateModel(
                    name="IssuingAuthorization",
                    fields=[
                        *stripe_object(),
                    ],
                    options={"db_table": "djstripe_issuing_authorization"},
                ),
                migrations.CreateModel(
                    name="IssuingCard",
                    fields=[
                        *stripe_object(),
                    ],
                    options={"db_table": "djstripe_issuing_card"},
                ),
                migrations.CreateModel(
                    name="IssuingCardholder",
                    fields=[
                        *stripe_object(),
                    ],
                    options={"db_table": "djstripe_issuing_cardholder"},
                ),
                migrations.CreateModel(
                    name="IssuingDispute",
                    fields=[
                        *stripe_object(),
                    ],
                    options={"db_table": "djstripe_issuing_dispute"},
                ),
                migrations.CreateModel(
                    name="IssuingTransaction",
                    fields=[
                        *stripe_object(),
                    ],
                    options={"db_table": "djstripe_issuing_transaction"},
                ),
                migrations.CreateModel(
                    name="PaymentIntent",
                    fields=[
                        *stripe_object(),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                help_text="Customer this PaymentIntent is for if one exists.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "on_behalf_of",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The account (if any) for which the funds of the PaymentIntent are intended.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="payment_intents",
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "payment_method",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="Payment method used in this PaymentIntent.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.paymentmethod",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Dispute",
                    fields=[
                        *stripe_object(),
                        (
                            "balance_transaction",
                            djstripe.fields.StripeForeignKey(
                                help_text="Balance transaction that describes the impact on your account balance.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="disputes",
                                to="djstripe.balancetransaction",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "charge",
                            djstripe.fields.StripeForeignKey(
                                help_text="The charge that was disputed",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="disputes",
                                to="djstripe.charge",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "payment_intent",
                            djstripe.fields.StripeForeignKey(
                                help_text="The PaymentIntent that was disputed",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="disputes",
                                to="djstripe.paymentintent",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="PaymentMethod",
                    fields=[
                        *stripe_object(),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="Customer to which this PaymentMethod is saved. This will not be set when the PaymentMethod has not been saved to a Customer.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="payment_methods",
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Mandate",
                    fields=[
                        *stripe_object(),
                        (
                            "payment_method",
                            djstripe.fields.StripeForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.paymentmethod",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Payout",
                    fields=[
                        *stripe_object(),
                        ("currency", djstripe.fields.StripeCurrencyCodeField(max_length=3)),
                        (
                            "balance_transaction",
                            djstripe.fields.StripeForeignKey(
                                help_text="Balance transaction that describes the impact on your account balance.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.balancetransaction",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "destination",
                            djstripe.fields.StripeForeignKey(
                                help_text="Bank account or card the payout was sent to.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                to="djstripe.bankaccount",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "failure_balance_transaction",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="If the payout failed or was canceled, this will be the balance transaction that reversed the initial balance transaction, and puts the funds from the failed payout back in your balance.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="failure_payouts",
                                to="djstripe.balancetransaction",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "original_payout",
                            models.OneToOneField(
                                blank=True,
                                help_text="If this payout reverses another, this is the ID of the original payout.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.payout",
                            ),
                        ),
                        (
                            "reversed_by",
                            models.OneToOneField(
                                blank=True,
                                help_text="If this payout was reversed, this is the ID of the payout that reverses this payout.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="reversed_payout",
                                to="djstripe.payout",
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Product",
                    fields=[
                        *stripe_object(),
                        (
                            "name",
                            models.TextField(
                                help_text="The product's name, meant to be displayable to the customer. Applicable to both `service` and `good` types.",
                                max_length=5000,
                            ),
                        ),
                        (
                            "active",
                            models.BooleanField(
                                help_text="Whether the product is currently available for purchase. Only applicable to products of `type=good`.",
                                null=True,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Price",
                    fields=[
                        *stripe_object(),
                        ("active", models.BooleanField(help_text="Whether the price can be used for new purchases.")),
                        ("currency", djstripe.fields.StripeCurrencyCodeField(max_length=3)),
                        (
                            "nickname",
                            models.CharField(
                                blank=True,
                                help_text="A brief description of the plan, hidden from customers.",
                                max_length=250,
                            ),
                        ),
                        (
                            "lookup_key",
                            models.CharField(
                                blank=True,
                                help_text="A lookup key used to retrieve prices dynamically from a static string.",
                                max_length=250,
                                null=True,
                            ),
                        ),
                        (
                            "product",
                            djstripe.fields.StripeForeignKey(
                                help_text="The product this price is associated with.",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="prices",
                                to="djstripe.product",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="ProductFeature",
                    fields=[
                        *stripe_object(),
                        (
                            "entitlement_feature",
                            djstripe.fields.StripeForeignKey(
                                help_text="The feature that this product feature references.",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="product_features",
                                to="djstripe.feature",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "product",
                            djstripe.fields.StripeForeignKey(
                                help_text="The product this feature is attached to.",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="features",
                                to="djstripe.product",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="PromotionCode",
                    fields=[
                        *stripe_object(),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Refund",
                    fields=[
                        *stripe_object(),
                        ("amount", djstripe.fields.StripeQuantumCurrencyAmountField()),
                        ("currency", djstripe.fields.StripeCurrencyCodeField(max_length=3)),
                        (
                            "balance_transaction",
                            djstripe.fields.StripeForeignKey(
                                help_text="Balance transaction that describes the impact on your account balance.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.balancetransaction",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "charge",
                            djstripe.fields.StripeForeignKey(
                                help_text="The charge that was refunded",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="refunds",
                                to="djstripe.charge",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "failure_balance_transaction",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="If the refund failed, this balance transaction describes the adjustment made on your account balance that reverses the initial balance transaction.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="failure_refunds",
                                to="djstripe.balancetransaction",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Review",
                    fields=[
                        *stripe_object(),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="ScheduledQueryRun",
                    fields=[
                        *stripe_object(),
                        ("data_load_time", djstripe.fields.StripeDateTimeField()),
                        ("error", djstripe.fields.JSONField(blank=True, null=True)),
                        ("result_available_until", djstripe.fields.StripeDateTimeField()),
                        ("sql", models.TextField(help_text="SQL for the query.", max_length=5000)),
                        (
                            "status",
                            djstripe.fields.StripeEnumField(
                                enum=djstripe.enums.ScheduledQueryRunStatus, max_length=255
                            ),
                        ),
                        ("title", models.TextField(help_text="Title of the query.", max_length=5000)),
                        (
                            "file",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The file object representing the results of the query.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.file",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="SetupIntent",
                    fields=[
                        *stripe_object(),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="Customer this SetupIntent belongs to, if one exists.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "on_behalf_of",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The account (if any) for which the setup is intended.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="setup_intents",
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "payment_method",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="Payment method used in this PaymentIntent.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.paymentmethod",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Source",
                    fields=[
                        *stripe_object(),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="sources",
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="SourceTransaction",
                    fields=[
                        ("djstripe_created", models.DateTimeField(auto_now_add=True)),
                        ("djstripe_updated", models.DateTimeField(auto_now=True)),
                        ("stripe_data", djstripe.fields.JSONField(default=dict)),
                        ("djstripe_id", models.BigAutoField(primary_key=True, serialize=False, verbose_name="ID")),
                        ("id", djstripe.fields.StripeIdField(max_length=255, unique=True)),
                        (
                            "livemode",
                            models.BooleanField(
                                blank=True,
                                default=None,
                                help_text="Null here indicates that the livemode status is unknown or was previously unrecorded. Otherwise, this field indicates whether this record comes from Stripe test mode or live mode operation.",
                                null=True,
                            ),
                        ),
                        ("created", djstripe.fields.StripeDateTimeField(blank=True, null=True)),
                        ("ach_credit_transfer", djstripe.fields.JSONField()),
                        (
                            "amount",
                            djstripe.fields.StripeDecimalCurrencyAmountField(
                                blank=True, decimal_places=2, max_digits=14, null=True
                            ),
                        ),
                        ("currency", djstripe.fields.StripeCurrencyCodeField(max_length=3)),
                        ("customer_data", djstripe.fields.JSONField(blank=True, null=True)),
                        (
                            "status",
                            djstripe.fields.StripeEnumField(
                                enum=djstripe.enums.SourceTransactionStatus, max_length=255
                            ),
                        ),
                        (
                            "djstripe_owner_account",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The Stripe Account this object belongs to.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "source",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.source",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Subscription",
                    fields=[
                        *stripe_object(),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                help_text="The customer associated with this subscription.",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="subscriptions",
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Session",
                    fields=[
                        *stripe_object(),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                help_text="Customer this Checkout is for if one exists.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "payment_intent",
                            djstripe.fields.StripeForeignKey(
                                help_text="PaymentIntent created if SKUs or line items were provided.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.paymentintent",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "setup_intent",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The ID of the SetupIntent for Checkout Sessions in setup mode.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.setupintent",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "subscription",
                            djstripe.fields.StripeForeignKey(
                                help_text="Subscription created if one or more plans were provided.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.subscription",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="InvoiceItem",
                    fields=[
                        *stripe_object(),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                help_text="The customer associated with this invoiceitem.",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="invoiceitems",
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "invoice",
                            djstripe.fields.StripeForeignKey(
                                help_text="The invoice to which this invoiceitem is attached.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="invoiceitems",
                                to="djstripe.invoice",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "price",
                            models.ForeignKey(
                                help_text="If the invoice item is a proration, the price of the subscription for which the proration was computed.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="invoiceitems",
                                to="djstripe.price",
                            ),
                        ),
                        (
                            "subscription",
                            djstripe.fields.StripeForeignKey(
                                help_text="The subscription that this invoice item has been created for, if any.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="invoiceitems",
                                to="djstripe.subscription",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "tax_rates",
                            models.ManyToManyField(
                                blank=True,
                                db_table="djstripe_djstripeinvoiceitemtaxrate",
                                help_text="The tax rates which apply to this invoice item. When set, the default_tax_rates on the invoice do not apply to this invoice item.",
                                related_name="+",
                                to="djstripe.taxrate",
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="Discount",
                    fields=[
                        *stripe_object(),
                        (
                            "promotion_code",
                            models.CharField(
                                blank=True,
                                help_text="The promotion code applied to create this discount.",
                                max_length=255,
                            ),
                        ),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The ID of the customer associated with this discount.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="customer_discounts",
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "invoice",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The invoice that the discount\u2019s coupon was applied to, if it was applied directly to a particular invoice.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="invoice_discounts",
                                to="djstripe.invoice",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "subscription",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The subscription that this coupon is applied to, if it is applied to a particular subscription.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="subscription_discounts",
                                to="djstripe.subscription",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="SubscriptionItem",
                    fields=[
                        *stripe_object(),
                        (
                            "price",
                            models.ForeignKey(
                                blank=True,
                                help_text="The price the customer is subscribed to.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="subscription_items",
                                to="djstripe.price",
                            ),
                        ),
                        (
                            "subscription",
                            djstripe.fields.StripeForeignKey(
                                help_text="The subscription this subscription item belongs to.",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="items",
                                to="djstripe.subscription",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "tax_rates",
                            models.ManyToManyField(
                                blank=True,
                                db_table="djstripe_djstripesubscriptionitemtaxrate",
                                help_text="The tax rates which apply to this subscription_item. When set, the default_tax_rates on the subscription do not apply to this subscription_item.",
                                related_name="+",
                                to="djstripe.taxrate",
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="LineItem",
                    fields=[
                        *stripe_object(),
                        (
                            "invoice_item",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The ID of the invoice item associated with this line item if any.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.invoiceitem",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "subscription",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The subscription that the invoice item pertains to, if any.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.subscription",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "subscription_item",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The subscription item that generated this invoice item. Left empty if the line item is not an explicit result of a subscription.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.subscriptionitem",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="SubscriptionSchedule",
                    fields=[
                        *stripe_object(),
                        ("canceled_at", djstripe.fields.StripeDateTimeField(blank=True, null=True)),
                        ("completed_at", djstripe.fields.StripeDateTimeField(blank=True, null=True)),
                        ("current_phase", djstripe.fields.JSONField(blank=True, null=True)),
                        ("default_settings", djstripe.fields.JSONField(blank=True, null=True)),
                        (
                            "end_behavior",
                            djstripe.fields.StripeEnumField(
                                enum=djstripe.enums.SubscriptionScheduleEndBehavior, max_length=255
                            ),
                        ),
                        ("phases", djstripe.fields.JSONField(blank=True, null=True)),
                        ("released_at", djstripe.fields.StripeDateTimeField(blank=True, null=True)),
                        (
                            "status",
                            djstripe.fields.StripeEnumField(
                                enum=djstripe.enums.SubscriptionScheduleStatus, max_length=255
                            ),
                        ),
                        (
                            "customer",
                            models.ForeignKey(
                                help_text="The customer who owns the subscription schedule.",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="schedules",
                                to="djstripe.customer",
                            ),
                        ),
                        (
                            "released_subscription",
                            models.ForeignKey(
                                blank=True,
                                help_text="The subscription once managed by this subscription schedule (if it is released).",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="released_schedules",
                                to="djstripe.subscription",
                            ),
                        ),
                        (
                            "subscription",
                            models.ForeignKey(
                                blank=True,
                                help_text="ID of the subscription managed by the subscription schedule.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="subscriptions",
                                to="djstripe.subscription",
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="TaxCode",
                    fields=[
                        ("djstripe_created", models.DateTimeField(auto_now_add=True)),
                        ("djstripe_updated", models.DateTimeField(auto_now=True)),
                        ("stripe_data", djstripe.fields.JSONField(default=dict)),
                        ("djstripe_id", models.BigAutoField(primary_key=True, serialize=False, verbose_name="ID")),
                        ("id", djstripe.fields.StripeIdField(max_length=255, unique=True)),
                        (
                            "livemode",
                            models.BooleanField(
                                blank=True,
                                default=None,
                                help_text="Null here indicates that the livemode status is unknown or was previously unrecorded. Otherwise, this field indicates whether this record comes from Stripe test mode or live mode operation.",
                                null=True,
                            ),
                        ),
                        ("created", djstripe.fields.StripeDateTimeField(blank=True, null=True)),
                        (
                            "djstripe_owner_account",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The Stripe Account this object belongs to.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options={"abstract": False, "get_latest_by": "created", "verbose_name": "Tax Code"},
                ),
                migrations.CreateModel(
                    name="ShippingRate",
                    fields=[
                        *stripe_object(),
                        (
                            "tax_code",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The shipping tax code",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.taxcode",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options={"abstract": False, "get_latest_by": "created", "verbose_name": "Shipping Rate"},
                ),
                migrations.CreateModel(
                    name="TaxId",
                    fields=[
                        ("djstripe_created", models.DateTimeField(auto_now_add=True)),
                        ("djstripe_updated", models.DateTimeField(auto_now=True)),
                        ("stripe_data", djstripe.fields.JSONField(default=dict)),
                        ("djstripe_id", models.BigAutoField(primary_key=True, serialize=False, verbose_name="ID")),
                        ("id", djstripe.fields.StripeIdField(max_length=255, unique=True)),
                        (
                            "livemode",
                            models.BooleanField(
                                blank=True,
                                default=None,
                                help_text="Null here indicates that the livemode status is unknown or was previously unrecorded. Otherwise, this field indicates whether this record comes from Stripe test mode or live mode operation.",
                                null=True,
                            ),
                        ),
                        ("created", djstripe.fields.StripeDateTimeField(blank=True, null=True)),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="tax_ids",
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "djstripe_owner_account",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The Stripe Account this object belongs to.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options={"abstract": False, "get_latest_by": "created", "verbose_name": "Tax ID"},
                ),
                migrations.CreateModel(
                    name="TaxRate",
                    fields=[
                        *stripe_object(),
                    ],
                    options={"abstract": False, "get_latest_by": "created", "verbose_name": "Tax Rate"},
                ),
                migrations.CreateModel(
                    name="Transfer",
                    fields=[
                        *stripe_object(),
                        (
                            "balance_transaction",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="Balance transaction that describes the impact on your account balance.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.balancetransaction",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="TransferReversal",
                    fields=[
                        *stripe_object(),
                        (
                            "balance_transaction",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="Balance transaction that describes the impact on your account balance.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="transfer_reversals",
                                to="djstripe.balancetransaction",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "transfer",
                            djstripe.fields.StripeForeignKey(
                                help_text="The transfer that was reversed.",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="reversals",
                                to="djstripe.transfer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="UpcomingInvoice",
                    fields=[
                        ("djstripe_created", models.DateTimeField(auto_now_add=True)),
                        ("djstripe_updated", models.DateTimeField(auto_now=True)),
                        ("stripe_data", djstripe.fields.JSONField(default=dict)),
                        ("djstripe_id", models.BigAutoField(primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "livemode",
                            models.BooleanField(
                                blank=True,
                                default=None,
                                help_text="Null here indicates that the livemode status is unknown or was previously unrecorded. Otherwise, this field indicates whether this record comes from Stripe test mode or live mode operation.",
                                null=True,
                            ),
                        ),
                        ("created", djstripe.fields.StripeDateTimeField(blank=True, null=True)),
                        ("metadata", djstripe.fields.JSONField(blank=True, null=True)),
                        (
                            "charge",
                            models.OneToOneField(
                                help_text="The latest charge generated for this invoice, if any.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="latest_%(class)s",
                                to="djstripe.charge",
                            ),
                        ),
                        (
                            "customer",
                            djstripe.fields.StripeForeignKey(
                                help_text="The customer associated with this invoice.",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="%(class)ss",
                                to="djstripe.customer",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "default_payment_method",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="Default payment method for the invoice. It must belong to the customer associated with the invoice. If not set, defaults to the subscription's default payment method, if any, or to the default payment method in the customer's invoice settings.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="djstripe.paymentmethod",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "djstripe_owner_account",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The Stripe Account this object belongs to.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "payment_intent",
                            models.OneToOneField(
                                help_text="The PaymentIntent associated with this invoice. The PaymentIntent is generated when the invoice is finalized, and can then be used to pay the invoice.Note that voiding an invoice will cancel the PaymentIntent",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.paymentintent",
                            ),
                        ),
                        (
                            "subscription",
                            djstripe.fields.StripeForeignKey(
                                help_text="The subscription that this invoice was prepared for, if any.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="%(class)ss",
                                to="djstripe.subscription",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options={"abstract": False, "get_latest_by": "created", "ordering": ["-created"]},
                ),
                migrations.CreateModel(
                    name="VerificationReport",
                    fields=[
                        *stripe_object(),
                        ("document", djstripe.fields.JSONField(blank=True, null=True)),
                        ("id_number", djstripe.fields.JSONField(blank=True, null=True)),
                        ("options", djstripe.fields.JSONField(blank=True, null=True)),
                        ("selfie", djstripe.fields.JSONField(blank=True, null=True)),
                        (
                            "type",
                            djstripe.fields.StripeEnumField(enum=djstripe.enums.VerificationType, max_length=255),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="VerificationSession",
                    fields=[
                        *stripe_object(),
                        ("last_error", djstripe.fields.JSONField(blank=True, null=True)),
                        ("redaction", djstripe.fields.JSONField(blank=True, null=True)),
                        ("verified_outputs", djstripe.fields.JSONField(blank=True, null=True)),
                        (
                            "status",
                            djstripe.fields.StripeEnumField(
                                enum=djstripe.enums.VerificationSessionStatus, max_length=255
                            ),
                        ),
                        (
                            "type",
                            djstripe.fields.StripeEnumField(enum=djstripe.enums.VerificationType, max_length=255),
                        ),
                        (
                            "last_verification_report",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.verificationreport",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="WebhookEndpoint",
                    fields=[
                        *stripe_object(),
                        (
                            "api_version",
                            models.CharField(
                                blank=True,
                                help_text="The API version events are rendered as for this webhook endpoint. Defaults to the configured Stripe API Version.",
                                max_length=64,
                            ),
                        ),
                        ("enabled_events", djstripe.fields.JSONField()),
                        (
                            "secret",
                            models.CharField(
                                blank=True,
                                editable=False,
                                help_text="The endpoint's secret, used to generate webhook signatures.",
                                max_length=256,
                            ),
                        ),
                        (
                            "status",
                            djstripe.fields.StripeEnumField(
                                enum=djstripe.enums.WebhookEndpointStatus, max_length=255
                            ),
                        ),
                        ("url", models.URLField(help_text="The URL of the webhook endpoint.", max_length=2048)),
                        (
                            "application",
                            models.CharField(
                                blank=True, help_text="The ID of the associated Connect application.", max_length=255
                            ),
                        ),
                        (
                            "djstripe_uuid",
                            models.UUIDField(
                                default=uuid.uuid4,
                                help_text="A UUID specific to dj-stripe generated for the endpoint",
                                unique=True,
                            ),
                        ),
                        (
                            "djstripe_tolerance",
                            models.PositiveSmallIntegerField(
                                default=300,
                                help_text="Controls the milliseconds tolerance which wards against replay attacks. Leave this to its default value unless you know what you're doing.",
                            ),
                        ),
                        (
                            "djstripe_validation_method",
                            djstripe.fields.StripeEnumField(
                                default="verify_signature",
                                enum=djstripe.enums.WebhookEndpointValidation,
                                max_length=255,
                            ),
                        ),
                    ],
                    options=STRIPE_OBJECT,
                ),
                migrations.CreateModel(
                    name="WebhookEventTrigger",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("remote_ip", models.GenericIPAddressField(help_text="IP address of the request client.")),
                        ("headers", djstripe.fields.JSONField()),
                        ("body", models.TextField(blank=True)),
                        (
                            "valid",
                            models.BooleanField(
                                default=False, help_text="Whether or not the webhook event has passed validation"
                            ),
                        ),
                        (
                            "processed",
                            models.BooleanField(
                                default=False,
                                help_text="Whether or not the webhook event has been successfully processed",
                            ),
                        ),
                        ("exception", models.CharField(blank=True, max_length=128)),
                        (
                            "traceback",
                            models.TextField(
                                blank=True, help_text="Traceback if an exception was thrown during processing"
                            ),
                        ),
                        (
                            "djstripe_version",
                            models.CharField(
                                default=djstripe.models.webhooks._get_version,
                                help_text="The version of dj-stripe when the webhook was received",
                                max_length=32,
                            ),
                        ),
                        ("created", models.DateTimeField(auto_now_add=True)),
                        ("updated", models.DateTimeField(auto_now=True)),
                        (
                            "event",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="Event object contained in the (valid) Webhook",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.event",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "stripe_trigger_account",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The Stripe Account this object belongs to.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                        (
                            "webhook_endpoint",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The endpoint this webhook was received on",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="djstripe.webhookendpoint",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Coupon",
                    fields=[
                        ("djstripe_created", models.DateTimeField(auto_now_add=True)),
                        ("djstripe_updated", models.DateTimeField(auto_now=True)),
                        ("stripe_data", djstripe.fields.JSONField(default=dict)),
                        ("djstripe_id", models.BigAutoField(primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "livemode",
                            models.BooleanField(
                                blank=True,
                                default=None,
                                help_text="Null here indicates that the livemode status is unknown or was previously unrecorded. Otherwise, this field indicates whether this record comes from Stripe test mode or live mode operation.",
                                null=True,
                            ),
                        ),
                        ("created", djstripe.fields.StripeDateTimeField(blank=True, null=True)),
                        ("metadata", djstripe.fields.JSONField(blank=True, null=True)),
                        ("id", djstripe.fields.StripeIdField(max_length=500)),
                        (
                            "djstripe_owner_account",
                            djstripe.fields.StripeForeignKey(
                                blank=True,
                                help_text="The Stripe Account this object belongs to.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                to="djstripe.account",
                                to_field=settings.DJSTRIPE_FOREIGN_KEY_TO_FIELD,
                            ),
                        ),
                    ],
                    options={"abstract": False, "get_latest_by": "created", "unique_together": {("id", "livemode")}},
                ),
            ]
        )
    ]
