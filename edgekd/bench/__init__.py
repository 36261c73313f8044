"""Measurement: one timing loop, many backends, each variant in its own process."""
