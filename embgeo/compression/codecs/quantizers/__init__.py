"""Quantizers, one per file."""
