"""Three months of a Sovereign's life for the demo, made through the use cases at instants of the past."""
