"""Benchmarks, run by hand or by `make bench`; no test asserts a time."""
