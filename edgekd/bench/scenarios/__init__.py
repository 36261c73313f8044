"""Scenarios: what is measured besides single texts one after the other. Imports nothing."""
