"""Indices over codes, one per file."""
