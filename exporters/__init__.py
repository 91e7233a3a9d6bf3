"""Sidecars: one collector a file, one server that runs them. Usable on its own; imports nothing of ours."""
