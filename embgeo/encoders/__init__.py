"""Text → vectors.

    resolve.py               a model's name → an `Encoder`
    encoder.py               what every encoder is and the options it takes
    sentence_transformer.py  a sentence-transformers model: packaged, from a folder, from the hub
    mteb_model.py            a model of the mteb registry, with its prompts and instructions
    precomputed.py           vectors made elsewhere (`vectors:PATH`)
    cache.py                 the disk cache that wraps any encoder and survives `kill -9`

Nothing here is imported until it is needed: torch, transformers and mteb load only when a text model is resolved.
"""

from __future__ import annotations
