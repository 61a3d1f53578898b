"""Reducers, one a file."""
