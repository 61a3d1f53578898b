"""A sentence-transformers model as an encoder: packaged, from a folder or from the hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embgeo.embeddings import SIMILARITIES
from embgeo.encoders.encoder import Role, choose_device, device_facts
from embgeo.encoders.silence import quiet_loading
from embgeo.errors import DataError, EmbgeoError, InputError
from embgeo.files.digest import Digest, file_digest
from embgeo.files.unicode import readable
from embgeo.requests import EncoderOptions

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

TOKENIZER_BLOCK = 1024
SUFFIXES = frozenset({".safetensors", ".bin", ".pt", ".json", ".txt", ".model", ".py", ".npy", ".npz"})
OTHER_BACKENDS = frozenset({"onnx", "openvino"})


class SentenceTransformerEncoder:
    """Wraps a loaded `SentenceTransformer`; queries go through `encode_query`, documents through `encode_document`.

    Vectors are what the model's pipeline returns, of unit length only if it ends in a normalising module; with
    `truncate_dim` they are truncated, not renormalised (scoring under cosine does that).
    """

    def __init__(
        self, name: str, model: SentenceTransformer, options: EncoderOptions, source: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.model = model
        self.options = options
        self.source = source
        _limit_length(name, model, options.max_length)
        _keep_layers(name, model, options.layers)
        self.dimension = options.dimension(model.get_embedding_dimension() or self._probe())

    @property
    def similarity(self) -> str | None:
        stated = self.model.similarity_fn_name
        return stated if stated in SIMILARITIES else None

    @property
    def max_length(self) -> int | None:
        return self.model.max_seq_length

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        modules = [type(module).__name__ for module in self.model]
        return {
            "model": self.name,
            **self.source,
            "modules": modules,
            "prompts": {"document": self.prompt("document"), "query": self.prompt("query")},
            "max_length": self.max_length,
            "normalised": modules[-1] == "Normalize" and self.options.truncate_dim is None,
            "truncate_dim": self.options.truncate_dim,
            **({"layers": self.options.layers} if self.options.layers else {}),
            "dtype": str(self.model.dtype),
            "batch_size": self.options.batch_size,
            **device_facts(str(self.model.device)),
        }

    def prompt(self, role: Role) -> str:
        """The text prepended to each input of this role: the user's, else the model's, else nothing."""
        given = self.options.prompt(role)
        if given is not None:
            return given
        # the prompt names that sentence-transformers itself looks up, in its order
        names = ("query",) if role == "query" else ("document", "passage", "corpus")
        name = next((n for n in names if n in self.model.prompts), self.model.default_prompt_name)
        return (self.model.prompts.get(name) or "") if name else ""

    def encode_batch(self, texts: Sequence[str], role: Role) -> np.ndarray:
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        vectors = encode(
            [readable(text) for text in texts],
            prompt=self.prompt(role),
            batch_size=len(texts),
            show_progress_bar=False,
            convert_to_tensor=True,
            truncate_dim=self.options.truncate_dim,
        )
        return vectors.float().cpu().numpy()

    def encode_batches(self, batches: Iterable[Sequence[str]], role: Role) -> Iterator[np.ndarray]:
        return (self.encode_batch(batch, role) for batch in batches)

    def token_lengths(
        self, texts: Sequence[str], role: Role = "document", prompt: str | None = None
    ) -> np.ndarray | None:
        tokenizer = self.model.tokenizer
        if not callable(tokenizer):
            return None
        prompt = self.prompt(role) if prompt is None else prompt
        bare = {"return_attention_mask": False, "return_token_type_ids": False}
        lengths: list[int] = []
        for start in range(0, len(texts), TOKENIZER_BLOCK):
            block = [prompt + readable(text) for text in texts[start : start + TOKENIZER_BLOCK]]
            tokens = tokenizer(block, truncation=False, padding=False, verbose=False, **bare)
            lengths += [len(ids) for ids in tokens["input_ids"]]
        return np.array(lengths, np.int64)

    def token_embeddings(self) -> np.ndarray | None:
        transformer = self.model.transformers_model
        table = (
            transformer.get_input_embeddings() if transformer is not None else getattr(self.model[0], "embedding", None)
        )
        weight = getattr(table, "weight", None)
        return None if weight is None else weight.detach().float().cpu().numpy()

    def _probe(self) -> int:
        return int(self.model.encode(["dimension"], show_progress_bar=False).shape[1])


def load_folder(name: str, folder: Path, options: EncoderOptions) -> SentenceTransformerEncoder:
    """Load the model in an existing folder; a folder without one, or a damaged one, is a `DataError`."""
    if options.revision is not None:
        raise InputError(f"only a hub model has a revision; {name} is a folder")
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        raise DataError(
            f"{folder} must be a sentence-transformers model folder; it has neither modules.json nor config.json"
        )
    model = load_model(name, str(folder), options)
    return SentenceTransformerEncoder(name, model, options, {"revision": None, "weights": folder_fingerprint(folder)})


def load_model(name: str, where: str, options: EncoderOptions, **keywords: Any) -> SentenceTransformer:
    """`SentenceTransformer(where)` with the options; its errors become one line."""
    from sentence_transformers import SentenceTransformer

    if options.dtype is not None:
        keywords["model_kwargs"] = {"torch_dtype": options.dtype}
    device = choose_device(options.device)
    with quiet_loading():
        try:
            return SentenceTransformer(where, device=device, trust_remote_code=options.trust_remote_code, **keywords)
        except EmbgeoError:
            raise
        except Exception as error:
            raise loading_failed(name, error, options) from error


def loading_failed(name: str, error: Exception, options: EncoderOptions) -> DataError:
    """One line for whatever a model's loader raised."""
    line = next((line for line in str(error).splitlines() if line.strip()), "no message").strip().rstrip(".")
    if "trust_remote_code" in str(error) and not options.trust_remote_code:
        return DataError(f"model {name!r} ships its own code; read it, then allow it with --trust-remote-code")
    return DataError(f"model {name!r} could not be loaded: {type(error).__name__}: {line[:300]}")


def _limit_length(name: str, model: SentenceTransformer, max_length: int | None) -> None:
    if max_length is None:
        return
    transformer = model.transformers_model
    positions = getattr(getattr(transformer, "config", None), "max_position_embeddings", None)
    if positions is not None and max_length > positions:
        raise InputError(f"max_length of {name} must be at most {positions} tokens; got {max_length}")
    model.max_seq_length = max_length


def _keep_layers(name: str, model: SentenceTransformer, layers: int | None) -> None:
    """The first layers of the one stack that holds as many as the configuration says; the others are dropped."""
    if layers is None:
        return
    transformer = model.transformers_model
    modules = [] if transformer is None else list(transformer.modules())
    config: Any = getattr(transformer, "config", None)
    count = getattr(config, "num_hidden_layers", 0)
    stacks = [
        (module, key, held)
        for module in modules
        for key, held in module.named_children()
        if type(held).__name__ == "ModuleList" and len(held) == count
    ]
    if len(stacks) != 1:
        raise InputError(f"layers of {name} cannot be left out: it has {len(stacks)} stacks of {count} layers")
    if layers > count:
        raise InputError(f"layers of {name} must be at most {count}; got {layers}")
    [(module, key, held)] = stacks
    setattr(module, key, held[:layers])
    config.num_hidden_layers = layers


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 over relative names and contents of the files in `folder` that can change a vector.

    Weights, tokenizer, pooling and module configuration and shipped code count; model cards and exports for other
    backends do not. 90 MB take about 0.1 s.
    """
    digest = Digest()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix in SUFFIXES and not OTHER_BACKENDS & set(name.parts) and path.is_file():
            digest.add(f"{name.as_posix()}\n{file_digest(path)}\n")
    return digest.hex()
