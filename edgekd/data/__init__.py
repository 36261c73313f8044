"""Texts and labels: readers, splits, cleaning and transfer data."""
