"""What the client does to vectors before a store sees them, and what is measured of a collection.

Needs NumPy alone. A kit that embgeo writes holds a copy of this file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

DEPTH = 10
SPARE = 30  # results asked for if some are of documents that were added since

Search = Callable[[np.ndarray, int], Sequence[tuple[str, float]]]


def project(X: np.ndarray, client: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n, d) vectors as the model gives them → (n, width) float32, as the store is given them.

    `client` holds `unit` (whether vectors are divided by their lengths first), `matrix` (d, width), empty if there is
    none, `offset` (width,), and `unit_after` (whether projected vectors are divided by their lengths).
    """
    X = np.asarray(X, np.float32)
    if client["unit"]:
        X = _unit(X)
    if not client["matrix"].size:
        return X
    Z = np.asarray(X @ client["matrix"] + client["offset"], np.float32)
    return _unit(Z) if client["unit_after"] else Z


def _unit(X: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    return X / np.where(lengths > 0, lengths, 1)


def fingerprints(ids: Sequence[str]) -> np.ndarray:
    """(n,) uint64, by which a document is recognised."""
    hashed = [hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in ids]
    return np.frombuffer(b"".join(hashed), "<u8")


def recall(search: Search, queries: np.ndarray, exact: Sequence[Sequence[str]], known: np.ndarray) -> float:
    """Mean share of the exact nearest documents of each projected query that `search(query, k)` finds.

    Results that are not among `known` (sorted fingerprints) are of documents that the exact search did not see; they
    are passed over.
    """
    shares = []
    for query, wanted in zip(queries, exact, strict=True):
        found = [name for name, _ in search(query, DEPTH)]
        old = np.isin(fingerprints(found), known)
        if not old.all():
            found = [name for name, _ in search(query, SPARE)]
            old = np.isin(fingerprints(found), known)
        kept = [name for name, is_old in zip(found, old, strict=True) if is_old][:DEPTH]
        shares.append(len(set(kept) & set(wanted)) / len(wanted))
    return float(np.mean(shares))


def summary(Z: np.ndarray, X: np.ndarray) -> dict[str, np.ndarray]:
    """What is compared between the documents of the fit and later ones: Z (n, width) projected, X (n, d) before it.

    `mean` (width,), `energy` (width,), the mean square of each coordinate, `low` and `high` (width,), and `kept`, the
    share of squared length that the projection keeps, 0 if there is nothing to keep.
    """
    whole = float(np.square(X, dtype=np.float64).sum()) or 1.0
    return {
        "mean": Z.mean(axis=0, dtype=np.float64),
        "energy": np.square(Z, dtype=np.float64).mean(axis=0),
        "low": Z.min(axis=0).astype(np.float64),
        "high": Z.max(axis=0).astype(np.float64),
        "kept": np.float64(np.square(Z, dtype=np.float64).sum() / whole),
    }


def drift(before: Mapping[str, np.ndarray], Z: np.ndarray, now: Mapping[str, np.ndarray]) -> dict[str, float]:
    """How far documents have moved since the fit; Z (n, width) are the later ones, `before` and `now` summaries.

    Keys
    ----
    mean : distance of the two means, in units of the spread of the documents of the fit.
    spectrum : total variation distance, 0 to 1, of how squared length is spread over the coordinates.
    kept : change of the share of squared length that the projection keeps.
    outside : share of values beyond the range of their coordinate in the fit, which codes of a fixed range clip.
    saturated : share of vectors that have such a value.
    """
    variance = before["energy"] - before["mean"] ** 2
    spread = float(np.sqrt(max(variance.sum(), 0.0))) or 1.0
    shares = [each["energy"] / (each["energy"].sum() or 1.0) for each in (before, now)]
    beyond = (before["low"] > Z) | (before["high"] < Z)
    return {
        "mean": float(np.linalg.norm(now["mean"] - before["mean"]) / spread),
        "spectrum": float(np.abs(shares[0] - shares[1]).sum() / 2),
        "kept": float(now["kept"] - before["kept"]),
        "outside": float(beyond.mean()),
        "saturated": float(beyond.any(axis=1).mean()),
    }
