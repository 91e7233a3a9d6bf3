"""The load, against a server of known delays and against real services."""
