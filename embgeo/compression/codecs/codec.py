"""A fitted codec: the frozen parts of a spec in order, and its byte count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, FittedReducer, Reducer, restore
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import Embeddings, normalise
from embgeo.errors import SpecError


@dataclass(frozen=True)
class Tier:
    """One code per document: documents ↔ codes, and the query side that scores them.

    A score is `queries(Q)` against `decode(codes)` in the reduced space, float query × decoded document; see `score`.

    With `score=centred` in the spec it uses the arithmetic of published storage studies instead: queries are processed
    like documents (a centred reducer centres them, the mean is not restored; they are quantized too), and the raw
    values of the codes are compared by cosine: levels 0 … 255 of int8, bits 0 and 1 of binary. The published int8 also
    truncates and wraps around; here levels are rounded and saturate. Source: Huerga-Pérez et al. 2025,
    arXiv 2505.00105.

    Attributes
    ----------
    spec : what was requested.
    similarity : cosine, dot or euclidean.
    reducers, quantizer : fitted parts; linear reducers are folded into a stored matrix before them.
    fit_rows : how many documents it was fitted on.
    """

    spec: Spec
    similarity: str
    reducers: tuple[FittedReducer, ...]
    quantizer: FittedQuantizer
    fit_rows: int

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
            for name, array in part.state.items()
        }

    @property
    def state_bytes(self) -> int:
        """Constant bytes: rotation, axes, ranges, scales."""
        return sum(array.nbytes for array in self.state.values())

    @property
    def width(self) -> int:
        """Coordinates that a code decodes to."""
        return self.decode(np.zeros((1, self.code_bytes), np.uint8)).shape[1]

    @property
    def dimension(self) -> int | None:
        """d of its input vectors, if the state shows it."""
        return self.reducers[0].input_width if self.reducers else self.width

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
            return normalise(self.quantizer.raw_values(codes))
        return self.quantizer.decode(codes)

    def queries(self, Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, d) → (m, r) float32 and a bias (m,) to add to every score of that query."""
        if self.spec.centred:
            return self.decode(self.encode(Q)), np.zeros(len(Q), np.float32)
        Z, bias = self.reduced_queries(Q)
        return self.quantizer.query_side(Z), bias

    def reduced_queries(self, Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same before the quantizer rounds queries, if it does: equal for all codecs of the same reducers."""
        bias = np.zeros(len(Q), np.float32)
        for part in self.reducers:
            Q, extra = part.queries(Q, self.similarity)
            bias = bias + extra
        return Q, bias

    def manifest(self) -> dict[str, Any]:
        """JSON facts from which, with `state`, `restore_codec` rebuilds it."""
        parts = [{"kind": part.kind, **part.numbers} for part in (*self.reducers, self.quantizer)]
        return {"spec": str(self.spec), "similarity": self.similarity, "fit_rows": self.fit_rows, "parts": parts}


@dataclass(frozen=True)
class Codec:
    """A fitted spec: one code per document, or two, of which the second rescores what the first finds.

    Attributes
    ----------
    spec : what was requested.
    tiers : the one that is searched, then the one that rescores, if any; a row's code is their codes concatenated.
    """

    spec: Spec
    tiers: tuple[Tier, ...]

    @property
    def similarity(self) -> str:
        return self.tiers[0].similarity

    @property
    def fit_rows(self) -> int:
        return self.tiers[0].fit_rows

    @property
    def code_bytes(self) -> int:
        """Marginal bytes per vector, all codes: the copy kept for rescoring is not free."""
        return sum(tier.code_bytes for tier in self.tiers)

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Everything a store must hold to decode, by name."""
        return {
            f"{prefix}{name}": array
            for prefix, tier in zip(self._prefixes, self.tiers, strict=True)
            for name, array in tier.state.items()
        }

    @property
    def state_bytes(self) -> int:
        """Constant bytes of all tiers."""
        return sum(tier.state_bytes for tier in self.tiers)

    @property
    def _prefixes(self) -> tuple[str, ...]:
        return ("",) if len(self.tiers) == 1 else ("search.", "rescore.")

    def encode(self, X: np.ndarray) -> np.ndarray:
        """(n, d) float32 documents → (n, code_bytes) uint8."""
        return np.hstack([tier.encode(X) for tier in self.tiers])

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_bytes) uint8 → (n, r) float32 in the reduced space of the last tier, the one of least error."""
        *_, last = self.by_tier(codes)
        return self.tiers[-1].decode(last)

    def queries(self, Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, d) → (m, r) float32 in that space and a bias (m,) to add to every score of that query."""
        return self.tiers[-1].queries(Q)

    def by_tier(self, codes: np.ndarray) -> Iterator[np.ndarray]:
        """The columns of `codes` (n, code_bytes) of each tier, contiguous."""
        end = 0
        for tier in self.tiers:
            start, end = end, end + tier.code_bytes
            yield np.ascontiguousarray(codes[:, start:end])

    def manifest(self) -> dict[str, Any]:
        """JSON facts from which, with `state`, `restore_codec` rebuilds this codec."""
        if len(self.tiers) == 1:
            return self.tiers[0].manifest()
        search, rescore = (tier.manifest() for tier in self.tiers)
        return {"spec": str(self.spec), "search": search, "rescore": rescore, "factor": self.spec.factor}


def encode_all(codec: Codec | Tier, embeddings: Embeddings, documents: int | None = None) -> np.ndarray:
    """(n, code_bytes) uint8 codes of the corpus, or of its first `documents`, block by block."""
    codes = np.empty((len(embeddings) if documents is None else documents, codec.code_bytes), np.uint8)
    for start, block in embeddings.blocks():
        if start >= len(codes):
            break
        block = block[: len(codes) - start]
        codes[start : start + len(block)] = codec.encode(block)
    return codes


def fit_codec(spec: Spec, training: Training) -> Codec:
    """Fit every part of `spec` on the training documents, in order; only parts that learn from queries see any.

    Raises SpecError if a part cannot work on this dimension.
    """
    spec.code_bytes(training.X.shape[1])
    if spec.centred and training.similarity != "cosine":
        raise SpecError(f"spec {str(spec)!r} compares by cosine; got {training.similarity}. Drop the score= part")
    tiers = (spec,) if spec.rescorer is None else spec.tiers
    return Codec(spec, tuple(_fit_tier(tier, training) for tier in tiers))


def _fit_tier(spec: Spec, training: Training) -> Tier:
    parts = (*spec.reducers, *spec.quantizer.before)
    reducers, Z = training.once(parts, lambda: _fit_reducers(parts, training))
    return Tier(spec, training.similarity, reducers, spec.quantizer.fit(Z, training), len(training.X))


def _fit_reducers(parts: tuple[Reducer, ...], training: Training) -> tuple[tuple[FittedReducer, ...], np.ndarray]:
    """The fitted chain, folded where possible, and the training rows after it."""
    Z = training.X
    fitted: list[FittedReducer] = []
    for part in parts:
        step = part.fit(Z, training)
        Z = step.documents(Z)
        if fitted and (folded := fitted[-1].fold(step)) is not None:
            fitted[-1] = folded
        else:
            fitted.append(step)
    return tuple(fitted), Z


def restore_codec(manifest: Mapping[str, Any], state: Mapping[str, np.ndarray]) -> Codec:
    """The inverse of `Codec.manifest` and `.state`.

    Raises KeyError, TypeError or SpecError if they do not belong together; `store.py` turns these into one message.
    """
    spec = parse(manifest["spec"])
    if "rescore" not in manifest:
        return Codec(spec, (_restore_tier(manifest, state),))
    tiers = [_restore_tier(manifest[name], _under(state, f"{name}.")) for name in ("search", "rescore")]
    if int(manifest["factor"]) != spec.factor:
        raise ValueError(f"it rescores {manifest['factor']} candidates per result, its spec says {spec.factor}")
    return Codec(spec, tuple(tiers))


def _restore_tier(manifest: Mapping[str, Any], state: Mapping[str, np.ndarray]) -> Tier:
    parts: list[Any] = [restore(facts, _under(state, f"{place}.")) for place, facts in enumerate(manifest["parts"])]
    fit_rows = int(manifest["fit_rows"])
    return Tier(parse(manifest["spec"]), manifest["similarity"], tuple(parts[:-1]), parts[-1], fit_rows)


def _under(state: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
