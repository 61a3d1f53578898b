"""Which FAISS index holds a codec's codes as they are: the formats it has, and any alphabet of levels a coordinate.

A scalar code of 2^b levels a coordinate is a product code with one coordinate a part and given centroids. Whether a
codec is one is not declared but tried: its levels are read off by decoding, and random codes must decode alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import FittedCodec
from embgeo.compression.codecs.quantizers.casts import FittedCast
from embgeo.compression.codecs.quantizers.pq import FittedProduct
from embgeo.compression.codecs.quantizers.uniform import FittedUniform
from embgeo.compression.search.faiss_codebooks import product_index
from embgeo.compression.search.index_metric import faiss_metric, metric_of
from embgeo.numeric.bits import pack_bits

PROBES = 64


def code_index(codec: FittedCodec) -> Any | None:
    """An empty trained flat FAISS index that takes our codes byte for byte, or None where FAISS has no such format."""
    if codec.spec.centred:
        return None
    metric = faiss_metric(metric_of(codec.similarity))
    quantizer = codec.quantizer
    found: Any
    if isinstance(quantizer, FittedCast):
        found = _cast_index(quantizer, metric)
    elif isinstance(quantizer, FittedUniform):
        found = _uniform_index(quantizer, metric)
    else:
        # bytes drawn at random are no numbers in some formats
        with np.errstate(all="ignore"):
            product = quantizer if isinstance(quantizer, FittedProduct) else alphabet_code(codec)
        found = None if product is None else product_index(product, metric)
    if found is not None and (found.code_size != codec.code_bytes or found.metric_type != metric):
        raise AssertionError(f"FAISS built {found.metric_type}/{found.code_size} for {codec.spec}")
    return found


def _cast_index(quantizer: FittedCast, metric: int) -> Any:
    import faiss

    if quantizer.format == "f32":
        return faiss.IndexFlat(quantizer.width, metric)
    kind = {"f16": faiss.ScalarQuantizer.QT_fp16, "bf16": faiss.ScalarQuantizer.QT_bf16}[quantizer.format]
    index = faiss.IndexScalarQuantizer(quantizer.width, kind, metric)
    index.is_trained = True
    return index


def _uniform_index(quantizer: FittedUniform, metric: int) -> Any:
    import faiss

    kind = {8: faiss.ScalarQuantizer.QT_8bit, 4: faiss.ScalarQuantizer.QT_4bit}[quantizer.bits]
    index = faiss.IndexScalarQuantizer(len(quantizer.low), kind, metric)
    # FAISS decodes level c as vmin + (c + ½) / (2^bits − 1) · vdiff
    step = quantizer.step.astype(np.float64)
    trained = np.concatenate([quantizer.low - step / 2, step * (2**quantizer.bits - 1)]).astype(np.float32)
    faiss.copy_array_to_vector(trained, index.sq.trained)
    index.is_trained = True
    return index


def alphabet_code(codec: FittedCodec) -> FittedProduct | None:
    """The product code with one coordinate a part that decodes as this codec does; None where there is none."""
    size = codec.code_bytes
    width = codec.decode(np.zeros((1, size), np.uint8)).shape[1]
    bits = 8 * size // width
    if not 1 <= bits <= 8 or (width * bits + 7) // 8 != size:
        return None
    each = np.full(width, bits, np.uint8)
    same = np.repeat(np.arange(2**bits, dtype=np.uint8)[:, None], width, axis=1)
    values = codec.decode(pack_bits(same, each, size))
    levels = np.random.default_rng(0).integers(0, 2**bits, (PROBES, width)).astype(np.uint8)
    expected = values[levels, np.arange(width)]
    if not np.array_equal(codec.decode(pack_bits(levels, each, size)), expected):
        return None
    return FittedProduct(bits, np.ascontiguousarray(values.T[:, :, None], np.float32))
