"""Benchmarks of the lab itself: what it can do on this machine (`./lab bench`)."""
