"""A model of the mteb registry as an encoder, with the prompts and instructions that mteb gives it."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.embeddings import SIMILARITIES
from embgeo.encoders.encoder import Role, choose_device, device_facts
from embgeo.encoders.hub import HubAnswer, ask_hub, cached_folder, hub_offline
from embgeo.encoders.sentence_transformer import SentenceTransformerEncoder, folder_fingerprint, loading_failed
from embgeo.encoders.silence import quiet_encoding, quiet_loading
from embgeo.errors import EmbgeoError, InputError, MissingExtraError
from embgeo.files.unicode import readable
from embgeo.requests import EncoderOptions

THROUGH_SENTENCE_TRANSFORMERS = ("SentenceTransformerEncoderWrapper", "InstructSentenceTransformerModel")
# for datasets that are not mteb tasks: the instruction that mteb itself gives for retrieval in general
RETRIEVAL_INSTRUCTION = "Retrieve text based on user query."


class MtebEncoder:
    """Wraps a model loaded by mteb; every batch goes through the wrapper's own `encode`.

    If the wrapper holds a `SentenceTransformer`, that model counts tokens, and a prompt given by the user replaces
    mteb's for its role. Other wrappers take no prompt, maximum length or dtype: giving one is an `InputError`.
    """

    def __init__(self, name: str, wrapper: Any, options: EncoderOptions, task: Any, source: Mapping[str, Any]) -> None:
        self.name = name
        self.wrapper = wrapper
        self.options = options
        self.task = getattr(task, "metadata", task) or _retrieval_task()
        self.source = source
        self.inner = _inner(name, wrapper, options, source)
        self.dimension = options.dimension(self._encode(["dimension"], "document").shape[1])

    @property
    def similarity(self) -> str | None:
        stated = getattr(self.wrapper.mteb_model_meta, "similarity_fn_name", None)
        value = getattr(stated, "value", stated)
        return value if value in SIMILARITIES else None

    @property
    def max_length(self) -> int | None:
        return self.inner.max_length if self.inner else None

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        from importlib.metadata import version

        task = {"name": self.task.name, "type": self.task.type, "prompt": self.task.prompt}
        return {
            "model": self.name,
            **(self.inner.identity if self.inner else device_facts(choose_device(self.options.device))),
            **self.source,
            "mteb": version("mteb"),
            "wrapper": type(self.wrapper).__name__,
            "task": task,
            "prompts": {role: self.prompt(role) for role in ("document", "query")},
            "max_length": self.max_length,
            "truncate_dim": self.options.truncate_dim,
            "batch_size": self.options.batch_size,
        }

    def prompt(self, role: Role) -> str | None:
        """What mteb (or the user) prepends to each input; None if the wrapper does not say."""
        from mteb.types import PromptType

        given = self.options.prompt(role)
        if given is not None:
            return given
        with warnings.catch_warnings(action="ignore"):
            if getattr(self.wrapper, "instruction_template", None) is not None:
                bare = role == "document" and not getattr(self.wrapper, "apply_instruction_to_passages", True)
                return "" if bare else self.wrapper.get_task_instruction(self.task, PromptType(role))
            named = getattr(self.wrapper, "model_prompts", None)
            if named is None or not hasattr(self.wrapper, "get_prompt_name"):
                return None
            key = self.wrapper.get_prompt_name(self.task, PromptType(role))
        if key is not None:
            return named[key] or ""
        return self.inner.prompt(role) if self.inner else ""

    def encode_batch(self, texts: Sequence[str], role: Role) -> np.ndarray:
        if self.inner and self.options.prompt(role) is not None:
            return self.inner.encode_batch(texts, role)
        return self._encode(texts, role)[:, : self.options.truncate_dim]

    def encode_batches(self, batches: Iterable[Sequence[str]], role: Role) -> Iterator[np.ndarray]:
        return (self.encode_batch(batch, role) for batch in batches)

    def token_lengths(self, texts: Sequence[str], role: Role = "document") -> np.ndarray | None:
        if not self.inner:
            return None
        prompt = self.prompt(role) or ""
        return self.inner.token_lengths(texts, role, prompt)

    def token_embeddings(self) -> np.ndarray | None:
        return self.inner.token_embeddings() if self.inner else None

    def _encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        from mteb.types import PromptType
        from torch.utils.data import DataLoader

        from datasets import Dataset

        rows = DataLoader(Dataset.from_dict({"text": [readable(text) for text in texts]}), batch_size=len(texts))
        place = {"task_metadata": self.task, "hf_split": "test", "hf_subset": "default"}
        how = {"prompt_type": PromptType(role), "batch_size": len(texts), "show_progress_bar": False}
        with quiet_encoding():
            vectors = self.wrapper.encode(rows, **place, **how)
        if hasattr(vectors, "detach"):
            vectors = vectors.detach().float().cpu().numpy()
        return np.asarray(vectors, dtype=np.float32)


def load_mteb(name: str, meta: Any, options: EncoderOptions, task: object | None) -> MtebEncoder:
    """Load a registered model through mteb; `meta` is its registry entry."""
    import mteb

    _check_kind(name, meta)
    keywords = _keywords(name, meta, options)
    on_hub = bool(meta.open_weights) and bool(meta.revision) and "API" not in meta.framework and "/" in name
    on_hub = on_hub and not name.startswith(("mteb/baseline-", "baseline/"))
    answer = ask_hub(name, meta.revision) if on_hub else HubAnswer(None, offline=False)
    with quiet_loading(), hub_offline(answer.offline):
        try:
            wrapper = mteb.get_model(name, device=choose_device(options.device), **keywords)
            weights = cached_folder(name, meta.revision) if on_hub else None
            source = {
                "revision": answer.commit or meta.revision,
                "weights": folder_fingerprint(Path(weights)) if weights else None,
            }
            return MtebEncoder(name, wrapper, options, task, source)
        except EmbgeoError:
            raise
        except ImportError as error:
            # mteb's second line is the pip command
            reason = " ".join(str(error).splitlines()[:2]) or type(error).__name__
            raise MissingExtraError(f"model {name!r} needs a package that is not installed: {reason}") from error
        except Exception as error:
            raise loading_failed(name, error, options) from error


def _check_kind(name: str, meta: Any) -> None:
    if "dense" not in meta.model_type or "text" not in meta.modalities:
        kind = " and ".join(meta.model_type) if "dense" not in meta.model_type else " and ".join(meta.modalities)
        raise InputError(f"embgeo needs a model with one dense vector per text; {name!r} is a {kind} model in mteb")
    if meta.loader is None:
        raise InputError(f"mteb lists {name!r} but has no code to load it; encode elsewhere and use vectors:PATH")


def _keywords(name: str, meta: Any, options: EncoderOptions) -> dict[str, Any]:
    """Keywords for `mteb.get_model`; refuses what the registry entry cannot honour."""
    if options.revision is not None and options.revision != meta.revision:
        raise InputError(
            f"mteb pins {name!r} to revision {meta.revision}, which its prompts belong to; got {options.revision!r}"
        )
    through_sentence_transformers = meta.loader.__name__ in THROUGH_SENTENCE_TRANSFORMERS
    declared = bool((meta.loader_kwargs or {}).get("trust_remote_code"))
    hard_coded = not through_sentence_transformers and "trust_remote_code=True" in _source(meta.loader)
    if (declared or hard_coded) and not options.trust_remote_code:
        raise InputError(f"model {name!r} ships its own code; read it, then allow it with --trust-remote-code")
    keywords: dict[str, Any] = {}
    if through_sentence_transformers:
        keywords["trust_remote_code"] = options.trust_remote_code
    if options.dtype is not None:
        if not through_sentence_transformers:
            raise InputError(f"the dtype of {name!r} is set by mteb; omit --dtype")
        keywords["model_kwargs"] = {**(meta.loader_kwargs or {}).get("model_kwargs", {}), "torch_dtype": options.dtype}
    return keywords


def _source(loader: Any) -> str:
    try:
        return inspect.getsource(sys.modules[loader.__module__])
    except (OSError, TypeError, KeyError):
        return ""


def _inner(
    name: str, wrapper: Any, options: EncoderOptions, source: Mapping[str, Any]
) -> SentenceTransformerEncoder | None:
    from sentence_transformers import SentenceTransformer

    model = getattr(wrapper, "model", None)
    if isinstance(model, SentenceTransformer):
        return SentenceTransformerEncoder(name, model, options, source)
    for option in ("query_prompt", "document_prompt", "max_length"):
        if getattr(options, option) is not None:
            raise InputError(f"{option} of {name!r} is set by mteb; omit --{option.replace('_', '-')}")
    return None


def _retrieval_task() -> Any:
    """Task metadata for a corpus that is not an mteb task: plain retrieval."""
    from mteb.abstasks.task_metadata import TaskMetadata

    return TaskMetadata(
        name="embgeo",
        description="A corpus and its queries.",
        dataset={"path": "embgeo", "revision": "1"},
        type="Retrieval",
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        prompt={"query": RETRIEVAL_INSTRUCTION},
    )
