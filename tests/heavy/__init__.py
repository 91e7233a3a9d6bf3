"""Tests on services that take long to install: `make test-heavy`."""
