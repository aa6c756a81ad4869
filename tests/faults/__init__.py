"""A statement, a process or a connection fails half-way: then nothing has changed, or everything."""
