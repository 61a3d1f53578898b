"""What the client does to vectors before a store sees them, and what is measured of a collection.

Needs NumPy alone. A kit that embgeo writes holds a copy of this file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

DEPTH = 10
SAMPLE = 1000  # documents that show how far samples of the fit are from one another
DRAWS = 200
DEPTHS = (DEPTH, 30, 100, 300, 1000)  # asked for one after another if documents that were added since crowd the first

Search = Callable[[np.ndarray, int], Sequence[tuple[str, float]]]


def project(X: np.ndarray, client: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n, d) vectors as the model gives them → (n, width) float32, as the store is given them.

    `client` holds `dimension` (d), `unit` (whether vectors are divided by their lengths first), `matrix` (d, width),
    empty if there is none, `offset` (width,), and `unit_after` (whether projected vectors are divided by their
    lengths). Raises ValueError for vectors of another shape or that are not finite.
    """
    X = np.asarray(X, np.float32)
    if X.ndim != 2 or X.shape[1] != client["dimension"]:
        raise ValueError(f"vectors must be (n, {int(client['dimension'])}); got shape {X.shape}")
    if not np.isfinite(X).all():
        raise ValueError(f"vectors must be finite; row {int(np.flatnonzero(~np.isfinite(X).all(axis=1))[0])} is not")
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
        for depth in DEPTHS:
            found = [name for name, _ in search(query, depth)]
            kept = [name for name, old in zip(found, np.isin(fingerprints(found), known), strict=True) if old]
            if len(kept) >= DEPTH or len(found) < depth:
                break
        shares.append(len(set(kept[:DEPTH]) & set(wanted)) / len(wanted))
    return float(np.mean(shares))


def finds_itself(search: Search, Z: np.ndarray, ids: Sequence[str]) -> float:
    """Share of the projected documents Z (n, width) that a search for them finds among its first ten."""
    return float(np.mean([name in {found for found, _ in search(z, DEPTH)} for z, name in zip(Z, ids, strict=True)]))


def summary(Z: np.ndarray, X: np.ndarray) -> dict[str, np.ndarray]:
    """What later documents are compared with: Z (n, width) projected, X (n, d) before it, of the fit in random order.

    One half gives `mean` (width,), `energy` (width,), the mean square of each coordinate, `low` and `high` (width,),
    and `kept`, the share of squared length that the projection keeps. The other half is a `sample` (s, width) of what
    documents of the fit look like, with the squared lengths (s,) before the projection, `whole`.
    """
    half = max(1, len(Z) // 2)
    first, rest = slice(half), slice(half, half + SAMPLE) if len(Z) > 1 else slice(1)
    whole = np.square(X, dtype=np.float64).sum(axis=1)
    squares = np.square(Z[first], dtype=np.float64)
    return {
        "mean": Z[first].mean(axis=0, dtype=np.float64),
        "energy": squares.mean(axis=0),
        "low": Z[first].min(axis=0).astype(np.float64),
        "high": Z[first].max(axis=0).astype(np.float64),
        "kept": np.float64(squares.sum() / (whole[first].sum() or 1.0)),
        "sample": np.asarray(Z[rest], np.float32),
        "whole": whole[rest],
    }


def drift(before: Mapping[str, np.ndarray], Z: np.ndarray, X: np.ndarray) -> dict[str, float]:
    """How far documents, Z (n, width) projected and X (n, d) before it, are from those of the fit.

    Keys
    ----
    mean : distance of the two means, in units of the spread of the documents of the fit.
    spectrum : total variation distance, 0 to 1, of how squared length is spread over the coordinates.
    lost : how much less of the squared length the projection keeps.
    outside : share of values beyond the range of their coordinate in the fit, which codes of a fixed range clip.
    saturated : share of vectors that have such a value.
    """
    return _drift(before, Z, np.square(X, dtype=np.float64).sum(axis=1))


def _drift(before: Mapping[str, np.ndarray], Z: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    energy = np.square(Z, dtype=np.float64).mean(axis=0)
    spread = float(np.sqrt(max((before["energy"] - before["mean"] ** 2).sum(), 0.0))) or 1.0
    shares = [each / (each.sum() or 1.0) for each in (before["energy"], energy)]
    beyond = (before["low"] > Z) | (before["high"] < Z)
    return {
        "mean": float(np.linalg.norm(Z.mean(axis=0, dtype=np.float64) - before["mean"]) / spread),
        "spectrum": float(np.abs(shares[0] - shares[1]).sum() / 2),
        "lost": float(before["kept"] - energy.sum() / (whole.mean() or 1.0)),
        "outside": float(beyond.mean()),
        "saturated": float(beyond.any(axis=1).mean()),
    }


def usual_drift(before: Mapping[str, np.ndarray], documents: int) -> dict[str, float]:
    """What 95 of 100 samples of that many documents of the fit stay below; of more than there are, all are taken."""
    held = before["sample"]
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        rows = rng.choice(len(held), min(documents, len(held)), replace=False)
        draws.append(_drift(before, held[rows], before["whole"][rows]))
    return {name: float(np.quantile([each[name] for each in draws], 0.95)) for name in draws[0]}
