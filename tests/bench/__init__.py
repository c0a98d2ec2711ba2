"""Benchmarks: `python -m tests.bench [NAME…]`. Not collected by pytest; absolute times vary, so each has a floor."""
