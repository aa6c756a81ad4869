"""What every page of the console is built from: base classes, forms, filters and the display of values."""
