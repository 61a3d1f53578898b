"""A fitted codec: the chain of a spec, frozen, and its account of bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.part import (
    QUANTIZERS,
    REDUCERS,
    FittedQuantizer,
    FittedReducer,
    Reducer,
    load_parts,
    numbers_of,
    restore,
    state_of,
)
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import Embeddings, normalise
from embgeo.errors import SpecError


@dataclass(frozen=True)
class FittedCodec:
    """Documents ↔ codes, and the query side that scores them.

    A score is `queries(Q)` against `decode(codes)` in the reduced space, float query × decoded document; see `score`.

    With `score=centred` in the spec it is the arithmetic of published storage studies instead: queries take the way of
    the documents (a centred reducer centres them, the mean is not restored; they are quantized too), and the raw
    values of the codes are compared by cosine: levels 0 … 255 of int8, bits 0 and 1 of binary. The published int8 also
    truncates and wraps around; here levels are rounded and saturate. Source: Huerga-Pérez et al. 2025,
    arXiv 2505.00105.

    Attributes
    ----------
    spec : what was asked for.
    similarity : cosine, dot or euclidean.
    reducers, quantizer : fitted parts; a stored matrix has taken up the linear reducers behind it.
    fit_rows : how many documents it was fitted on.
    """

    spec: Spec
    similarity: str
    reducers: tuple[FittedReducer, ...]
    quantizer: FittedQuantizer
    fit_rows: int

    @property
    def tiers(self) -> tuple[FittedCodec, ...]:
        """What is searched, and what rescores where there are two: here one."""
        return (self,)

    @property
    def code_bytes(self) -> int:
        """Marginal bytes per vector."""
        return self.quantizer.code_bytes

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Everything a store must hold to decode, by name."""
        return {
            f"{place}.{name}": array
            for place, part in enumerate((*self.reducers, self.quantizer))
            for name, array in state_of(part).items()
        }

    @property
    def state_bytes(self) -> int:
        """Constant bytes: rotation, axes, ranges, scales."""
        return sum(array.nbytes for array in self.state.values())

    def reduce(self, X: np.ndarray) -> np.ndarray:
        """(n, d) documents → (n, r) float32, before quantization."""
        for part in self.reducers:
            X = part.documents(X)
        return X

    def encode(self, X: np.ndarray) -> np.ndarray:
        """(n, d) float32 documents → (n, code_bytes) uint8."""
        return self.quantizer.encode(self.reduce(X))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_bytes) uint8 → (n, r) float32 in the reduced space."""
        if self.spec.centred:
            return normalise(getattr(self.quantizer, "raw_values", self.quantizer.decode)(codes))
        return self.quantizer.decode(codes)

    def queries(self, Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, d) → (m, r) float32 and a bias (m,) to add to every score of that query."""
        bias = np.zeros(len(Q), np.float32)
        if self.spec.centred:
            return self.decode(self.encode(Q)), bias
        for part in self.reducers:
            Q, extra = part.queries(Q, self.similarity)
            bias = bias + extra
        return Q, bias

    def manifest(self) -> dict[str, Any]:
        """JSON facts from which, with `state`, `restore_codec` rebuilds this codec."""
        kinds = {entry.fitted.__name__ for entry in [*REDUCERS.values(), *QUANTIZERS.values()]}
        parts = [{"kind": type(part).__name__, **numbers_of(part)} for part in (*self.reducers, self.quantizer)]
        assert all(part["kind"] in kinds for part in parts)
        return {"spec": str(self.spec), "similarity": self.similarity, "fit_rows": self.fit_rows, "parts": parts}


@dataclass(frozen=True)
class TieredCodec:
    """Two codes of every document: one that is searched, one that rescores the candidates.

    Attributes
    ----------
    search, rescore : the fitted codecs; a row's code is that of `search` followed by that of `rescore`.
    factor : candidates per result.
    """

    spec: Spec
    search: FittedCodec
    rescore: FittedCodec
    factor: int

    @property
    def tiers(self) -> tuple[FittedCodec, ...]:
        return self.search, self.rescore

    @property
    def similarity(self) -> str:
        return self.search.similarity

    @property
    def fit_rows(self) -> int:
        return self.search.fit_rows

    @property
    def code_bytes(self) -> int:
        """Marginal bytes per vector, both codes: the copy kept for rescoring is not free."""
        return self.search.code_bytes + self.rescore.code_bytes

    @property
    def state(self) -> dict[str, np.ndarray]:
        return {
            **{f"search.{name}": array for name, array in self.search.state.items()},
            **{f"rescore.{name}": array for name, array in self.rescore.state.items()},
        }

    @property
    def state_bytes(self) -> int:
        return self.search.state_bytes + self.rescore.state_bytes

    def encode(self, X: np.ndarray) -> np.ndarray:
        return np.hstack([self.search.encode(X), self.rescore.encode(X)])

    def manifest(self) -> dict[str, Any]:
        return {
            "spec": str(self.spec),
            "search": self.search.manifest(),
            "rescore": self.rescore.manifest(),
            "factor": self.factor,
        }


Codec = FittedCodec | TieredCodec


def encode_all(codec: Codec, embeddings: Embeddings) -> np.ndarray:
    """(n, code_bytes) uint8 codes of the corpus, block by block."""
    codes = np.empty((len(embeddings), codec.code_bytes), np.uint8)
    for start, block in embeddings.blocks():
        codes[start : start + len(block)] = codec.encode(block)
    return codes


def fit_codec(spec: Spec, training: Training) -> Codec:
    """Fit every part of `spec` on the training documents, in order. Queries are never seen.

    Raises SpecError where a part cannot work on this dimension.
    """
    spec.code_bytes(training.X.shape[1])
    if spec.centred and training.similarity != "cosine":
        raise SpecError(f"spec {str(spec)!r} compares by cosine; got {training.similarity}. Drop the score= part")
    if spec.rescorer is None:
        return _fit_tier(spec, training)
    search, rescore = (_fit_tier(tier, training) for tier in spec.tiers)
    return TieredCodec(spec, search, rescore, spec.factor)


def _fit_tier(spec: Spec, training: Training) -> FittedCodec:
    parts = (*spec.reducers, *spec.quantizer.before)
    reducers, Z = training.once(parts, lambda: _fit_reducers(parts, training))
    return FittedCodec(spec, training.similarity, reducers, spec.quantizer.fit(Z, training), len(training.X))


def _fit_reducers(parts: tuple[Reducer, ...], training: Training) -> tuple[tuple[FittedReducer, ...], np.ndarray]:
    """The fitted chain, folded where it can be, and the training rows after it."""
    Z = training.X
    fitted: list[FittedReducer] = []
    for part in parts:
        step = part.fit(Z, training)
        Z = step.documents(Z)
        if fitted and (folded := _fold(fitted[-1], step)) is not None:
            fitted[-1] = folded
        else:
            fitted.append(step)
    return tuple(fitted), Z


def _fold(first: FittedReducer, second: FittedReducer) -> Linear | None:
    """A matrix and what comes after it as one matrix, which is no larger: the rows of the first are mapped."""
    if isinstance(first, Linear) and second.foldable:
        return Linear(second.documents(first.matrix), first.mean)
    return None


def restore_codec(manifest: Mapping[str, Any], state: Mapping[str, np.ndarray]) -> Codec:
    """The inverse of `FittedCodec.manifest` and `.state`.

    Raises KeyError, TypeError or SpecError where they do not belong together; `store.py` turns these into one message.
    """
    if "rescore" in manifest:
        search, rescore = (
            _restore_tier(
                manifest[tier], {n.removeprefix(f"{tier}."): a for n, a in state.items() if n.startswith(tier)}
            )
            for tier in ("search", "rescore")
        )
        return TieredCodec(parse(manifest["spec"]), search, rescore, int(manifest["factor"]))
    return _restore_tier(manifest, state)


def _restore_tier(manifest: Mapping[str, Any], state: Mapping[str, np.ndarray]) -> FittedCodec:
    load_parts()
    kinds = {entry.fitted.__name__: entry.fitted for entry in [*REDUCERS.values(), *QUANTIZERS.values()]}
    parts: list[Any] = []
    for place, facts in enumerate(manifest["parts"]):
        numbers = {name: value for name, value in facts.items() if name != "kind"}
        prefix = f"{place}."
        arrays = {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
        # a field that is neither a number nor stored as an array was None
        parts.append(restore(kinds[facts["kind"]], arrays, numbers))
    return FittedCodec(
        parse(manifest["spec"]), manifest["similarity"], tuple(parts[:-1]), parts[-1], int(manifest["fit_rows"])
    )
