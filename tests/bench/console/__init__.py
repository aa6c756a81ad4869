"""The console in a Sovereign with a million cards: how long the server takes for each page.

- `fill`: a database of that size, made by bulk use cases and by whole sets of rows; `issuing.sql`: its small tables.
- `addresses`: the addresses of all lists, searches and pages of records.
- `measure`: the table; also the generation and the export of a batch, and a forecast.
"""
