"""A redemption in a transaction of another connection, which the test ends as it likes."""

from billing.models import Customer
from promos.use_cases.redeem_code import REDEEM, RedemptionRequest
from tests.concurrency.wait_for import Other
from tests.factories import acting


def redeem_in(other: Other, code: str, customer: Customer) -> None:
    """Redeems the code for the customer in the connection's transaction, which stays open."""
    request = RedemptionRequest(code=code, user_id=customer.user_id, by=acting(customer))
    written = other.execute(REDEEM, [f"[{request.text}]", True]).fetchall()
    assert [id_ for id_, *_ in written] == [request.id]
