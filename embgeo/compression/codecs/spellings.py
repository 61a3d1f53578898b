"""Codec names of FAISS factory strings and other vector stores, translated to specs for error hints."""

from __future__ import annotations

import re
from collections.abc import Callable

# whole names, in lower case: pgvector, Qdrant, Weaviate, Milvus, Elasticsearch, NumPy, sentence-transformers, FAISS
NAMES = {
    "flat": "f32", "float32": "f32", "fp32": "f32", "float": "f32", "none": "f32",
    "halfvec": "f16", "half": "f16", "float16": "f16", "fp16": "f16", "sqfp16": "f16",
    "bfloat16": "bf16", "sqbf16": "bf16",
    "float8": "fp8", "e4m3": "fp8", "e5m2": "fp8e5m2",
    "scalar": "int8", "sq": "int8", "sq8": "int8", "sqint8": "int8", "uint8": "int8", "byte": "int8", "sq4": "int4",
    "bq": "binary", "bit": "binary", "ubinary": "binary", "sign": "binary", "bbq": "rot,rabitq1", "lsh": "rot,binary",
    "rabitq": "rot,rabitq1", "pq": "pq32", "opq": "opq32", "rr": "rot", "rotation": "rot",
    "ivf": "ivf256", "hnsw": "hnsw32", "ivfflat": "ivf256,f32", "ivfsq": "ivf256,int8", "ivfsq8": "ivf256,int8",
    "ivfpq": "ivf256,pq32", "hnswflat": "hnsw32,f32", "hnswsq": "hnsw32,int8", "hnswpq": "hnsw32,pq32",
}  # fmt: skip
# parts with a number
_PATTERNS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"pca[rw](\d+)", lambda m: f"pca{m[1]}"),
    (r"rr\d+", lambda m: "rot"),
    (r"pq(\d+)x8", lambda m: f"pq{m[1]}"),
    (r"pq(\d+)x4fsr?", lambda m: f"pq{m[1]}x4"),
    (r"rq(\d+)x8", lambda m: f"rq{m[1]}"),
    (r"rabitq(\d)", lambda m: f"rot,rabitq{m[1]}"),
    (r"(\d+)b", lambda m: f"{m[1]}B"),
)


def spec_suggestions(text: str) -> list[str]:
    """What `text` may mean, most likely first; the caller checks whether it is a spec."""
    text = re.sub(r",(?:rflat|refine\(flat\))$", "+f32@4", text.strip().lower().replace(" ", ""))
    text = re.sub(r"^opq\d+(?:_\d+)?,(.*,)?pq(\d+)(?:x8)?$", r"\1opq\2", text)  # FAISS names the rotation separately
    spelled = "".join(_part(part) for part in re.split(r"([,+@])", text))
    # FAISS names an index after its reducers
    spelled = ",".join(sorted(spelled.split(","), key=lambda part: not part.startswith(("ivf", "hnsw"))))
    return [spelled, f"{spelled},f32"]  # FAISS's HNSW32 holds float32


def _part(part: str) -> str:
    if part in NAMES:
        return NAMES[part]
    for pattern, spell in _PATTERNS:
        if found := re.fullmatch(pattern, part):
            return spell(found)
    return part
