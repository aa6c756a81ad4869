"""What fails half-way: a statement, a process, a connection. Nothing has changed then, or everything."""
