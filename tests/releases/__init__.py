"""The databases of past releases, as SQL, that tests upgrade. `python -m tests.releases 0.1.0` writes 0.1.0.sql.

The last release is kept. Write its file from the commit that is released, and remove the one before.
"""
