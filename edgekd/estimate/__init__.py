"""Latency of a board that is not at hand, computed: never measured, always with its range, shown apart."""
