"""The use cases that post ledger entries, hold credit, and prove that the ledger adds up."""
