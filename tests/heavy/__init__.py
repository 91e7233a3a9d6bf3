"""Tests with services that `make test-heavy` installs."""
