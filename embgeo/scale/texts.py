"""Encoding of texts by workers that each load the model once: an encoder whose batches an engine spreads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from socket import gethostname
from typing import Any

import numpy as np

from embgeo.encoders.encoder import Encoder, Role
from embgeo.encoders.resolve import MINILM, resolve_encoder
from embgeo.errors import EngineError
from embgeo.requests import EncoderOptions
from embgeo.scale.engine import Engine, Holding
from embgeo.scale.workers import first_line

BATCHES = 8  # of a task: it takes long enough that sending it costs little, and little is lost with its worker


class SpreadEncoder:
    """An encoder whose batches are encoded by workers that hold the same model.

    `here` is that model in this process, on its processor: it counts tokens and says what the model is. A batch is
    encoded whole by one worker, so that vectors depend on where they are encoded as far as `identity` says; a worker
    whose model has another identity is refused.
    """

    def __init__(self, here: Encoder, held: Holding) -> None:
        self.here, self.held = here, held
        self.name, self.similarity, self.dimension = here.name, here.similarity, here.dimension
        self.max_length = here.max_length
        self.token_lengths, self.token_embeddings = here.token_lengths, here.token_embeddings

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """That of the model here; the GPU that it names is that of a worker, which is asked for it."""
        if self.held.device == "cpu":
            return self.here.identity
        [device] = self.held.map(_device, [None])
        return {**self.here.identity, "device": device}

    def encode_batch(self, texts: Sequence[str], role: Role) -> np.ndarray:
        [vectors] = self.encode_batches([texts], role)
        return vectors

    def encode_batches(self, batches: Iterable[Sequence[str]], role: Role) -> Iterator[np.ndarray]:
        left = iter(batches)
        tasks = iter(lambda: list(islice(left, BATCHES)), [])
        for vectors in self.held.map(_encode, tasks, role, self.identity):
            yield from vectors


@contextmanager
def spread_encoder(
    engine: Engine, name: str, options: EncoderOptions, task: object | None = None
) -> Iterator[SpreadEncoder]:
    """The model called `name`, as `resolve_encoder` loads it, with workers of `engine`, which end with the block.

    What is sent to a worker is the name, the options and the task's metadata; a folder must be there under the same
    path. Raises the errors of `resolve_encoder`; encoding raises EngineError where a worker cannot load the model.
    """
    here = resolve_encoder(name, replace(options, device="cpu"), task)
    folder = Path(name).expanduser()
    place = str(folder.absolute()) if name != MINILM and folder.is_dir() else name
    with engine.holding(Recipe(place, options, task), options.device) as held:
        yield SpreadEncoder(here, held)


@dataclass(frozen=True)
class Recipe:
    """What a worker loads a model by; called with its device."""

    name: str
    options: EncoderOptions
    task: object | None

    def __call__(self, device: str) -> Encoder:
        try:
            return resolve_encoder(self.name, replace(self.options, device=device), self.task)
        except Exception as error:
            raise EngineError(
                f"model {self.name!r} cannot be loaded on the worker {gethostname()}: {first_line(error)}"
            ) from None


def _device(encoder: Encoder, item: None) -> str:
    return str(encoder.identity["device"])


def _encode(
    encoder: Encoder, batches: Sequence[Sequence[str]], role: Role, expected: Mapping[str, Any]
) -> list[np.ndarray]:
    """The vectors of each batch by the model that a worker holds, which must be the one expected."""
    # a folder may be named by another path here
    for key in sorted({*expected, *encoder.identity} - {"model"}):
        there, wanted = encoder.identity.get(key), expected.get(key)
        if there != wanted:
            raise EngineError(
                f"the worker {gethostname()} would encode with another {key} of {encoder.name}: {there!r}, not "
                f"{wanted!r}. All nodes must have the same models, versions and devices"
            )
    return list(encoder.encode_batches(batches, role))
