"""Compression of exported graphs."""
