"""Benchmarks, run by hand or by `make bench`; nothing here is asserted."""
