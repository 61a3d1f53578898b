"""Readers of vector files, one a file; each registers itself with `@vectors(".suffix")`."""
