from pathlib import Path

from django.db import migrations

_PLACE_ORDER = Path(__file__).parents[1] / "use_cases" / "place_order.sql"


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_card_payments")]

    # The file is the function's one text; going back leaves it, and it serves without open payments as well.
    operations = [migrations.RunSQL([_PLACE_ORDER.read_text()], migrations.RunSQL.noop)]
