"""Reducers, one per file."""
