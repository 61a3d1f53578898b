"""Checks and preparation that every comparison of two spaces needs."""

from __future__ import annotations

import numpy as np

from embgeo.errors import InputError, Undefined
from embgeo.space.space import Space


def check_pairing(a: Space, b: Space) -> None:
    """Raise `InputError` unless the spaces have equally many rows: row i of both must be one document."""
    if a.n != b.n:
        raise InputError(f"two representations must have one row per document each; got {a.n} and {b.n} rows")


def centred_pair(a: Space, b: Space) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, centred and scaled to Frobenius norm 1; raises `Undefined` where all rows are equal."""
    check_pairing(a, b)
    return _centred(a), _centred(b)


def _centred(space: Space) -> np.ndarray:
    # safe at any norm: the same rows up to shift and a power of two
    X = space.rows_for("euclidean")[0].astype(np.float64)
    X -= X.mean(axis=0)
    length = np.linalg.norm(X)
    if length < 1e-6 * np.sqrt(space.n) * float(np.abs(X).max(initial=0.0)) or length == 0:
        raise Undefined("all rows of one representation are equal: there is nothing to compare")
    return X / length
