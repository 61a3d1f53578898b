"""Packages that are slow to import: no help text may need one."""

from __future__ import annotations

HEAVY = {
    "numpy", "scipy", "sklearn", "torch", "transformers", "sentence_transformers", "mteb", "datasets", "faiss", "gudhi",
    "numba", "pandas", "rich", "jinja2", "plotly", "safetensors", "ml_dtypes", "platformdirs", "ir_measures",
}  # fmt: skip
