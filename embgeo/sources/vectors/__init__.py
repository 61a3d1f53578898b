"""Readers of vector files, one per module; each registers itself with `@vectors(".suffix")`."""
