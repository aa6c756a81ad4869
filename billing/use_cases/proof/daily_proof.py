import structlog

from billing.models import LedgerCheck

from .seal_ledger import seal_ledger
from .signing import signing_key
from .verify_chain import record_check, verify_chain

logger = structlog.get_logger(__name__)


def prove_ledger() -> LedgerCheck:
    """Verifies the whole chain, keeps the result, and signs a new head if there is a key.

    A ledger with a fault gets no head: a head must not cover what is known to be wrong.
    """
    verdict = verify_chain()
    if verdict.fault:
        logger.error("ledger_chain_has_a_fault", fault=verdict.fault)
    elif signing_key():
        seal_ledger()
    return record_check(verdict)
