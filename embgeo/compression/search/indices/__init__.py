"""Indices over codes, one a file."""
