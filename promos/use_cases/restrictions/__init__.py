"""The restrictions of campaigns, codes and batches: entered, checked, and described to people."""
