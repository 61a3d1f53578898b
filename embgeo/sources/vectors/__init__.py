"""Readers of vectors, one per module; each registers itself with `@vectors(".suffix")` or `@vector_store("scheme")`."""
