"""The protocol of encoders, and the checks of their options."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np

from embgeo.errors import InputError
from embgeo.requests import Dtype, EncoderOptions

Role = Literal["document", "query"]


class Encoder(Protocol):
    """Texts → vectors, one planned batch at a time; `cache.encode_texts` plans the batches.

    Attributes
    ----------
    name : as the user typed it.
    similarity : "cosine", "dot" or "euclidean" from the model's metadata; None if it states none of these.
    dimension : length of a vector, after truncation.
    max_length : longest input in tokens; None if unknown or unlimited.
    identity : everything that determines the vectors, JSON values only; part of the cache key.
        Holds at least "model" and "batch_size".
    """

    @property
    def name(self) -> str: ...
    @property
    def similarity(self) -> str | None: ...
    @property
    def dimension(self) -> int: ...
    @property
    def max_length(self) -> int | None: ...
    @property
    def identity(self) -> Mapping[str, Any]: ...

    def encode_batch(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Encode one batch as given: (len(texts), dimension) float32."""
        ...

    def encode_batches(self, batches: Iterable[Sequence[str]], role: Role) -> Iterator[np.ndarray]:
        """`encode_batch` of each, in their order."""
        ...

    def token_lengths(self, texts: Sequence[str], role: Role = "document") -> np.ndarray | None:
        """Tokens of each text with prompt and special tokens, before truncation; None if the tokenizer is unknown."""
        ...

    def token_embeddings(self) -> np.ndarray | None:
        """The (vocabulary, width) float32 input embedding matrix, if the model has one."""
        ...


def count_truncated(encoder: Encoder, texts: Sequence[str], role: Role = "document") -> int:
    """How many texts the encoder's `max_length` truncates; 0 if the tokenizer or the limit is unknown."""
    lengths = None if encoder.max_length is None else encoder.token_lengths(texts, role)
    return 0 if lengths is None else int((lengths > encoder.max_length).sum())


def check_options(options: EncoderOptions) -> EncoderOptions:
    """Refuse options that no model can meet; those that depend on the model are checked when it is loaded."""
    for name in ("batch_size", "truncate_dim", "layers", "max_length"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1; got {value}")
    if options.dtype is not None and options.dtype not in get_args(Dtype):
        raise InputError(f"dtype must be one of {', '.join(get_args(Dtype))}; got {options.dtype!r}")
    return options


def choose_device(device: str) -> str:
    """The torch device for "auto", "cpu", "cuda", "cuda:1", "mps"; raises InputError for a device that is absent."""
    if device == "cpu" or (device == "auto" and not _nvidia_driver()):
        return "cpu"  # without importing torch, which takes seconds
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except (RuntimeError, ValueError):
        raise InputError(f"device must be auto, cpu or cuda; got {device!r}") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device {device!r} needs a CUDA GPU and a CUDA build of torch; none was found. Use --device cpu."
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"device {device!r} needs an Apple GPU; none was found. Use --device cpu.")
    return device


def _nvidia_driver() -> bool:
    """Whether this machine may have a CUDA device: a driver's device node on Linux or WSL; assumed on Windows."""
    if sys.platform == "darwin":
        return False
    return not sys.platform.startswith("linux") or any(Path(p).exists() for p in ("/dev/nvidiactl", "/dev/dxg"))


def device_facts(device: str) -> dict[str, str]:
    """The device and library versions that can change the last bits of a vector."""
    import sentence_transformers
    import torch
    import transformers

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else ""
    return {
        "device": f"{device} {name}".strip(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sentence_transformers": sentence_transformers.__version__,
    }
