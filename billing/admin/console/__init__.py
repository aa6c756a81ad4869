"""The base classes, forms, filters and display of values that every page of the console is built from."""
