"""Shared by all tests; its place lets them import `support` and `lawbook`."""
