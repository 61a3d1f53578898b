"""What TAB offers, and that it costs nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from examples.heavy import HEAVY

from embgeo.cli import completion
from embgeo.cli.group import embgeo


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMBGEO_OUT", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub-home"))
    return tmp_path


def offered(line: str) -> list[str]:
    """What TAB offers after `line`; without the shell's own files and folders."""
    *args, incomplete = line.split(" ")
    items = ShellComplete(embgeo, {}, "embgeo", "_EMBGEO_COMPLETE").get_completions(args, incomplete)
    return [item.value for item in items if item.type == "plain"]


def test_names_are_those_of_the_registries_and_are_read_again_when_these_change(
    cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embgeo.compression.codecs.part import INDICES, QUANTIZERS, REDUCERS, load_parts
    from embgeo.metrics import registry
    from embgeo.metrics.registry import measures

    known = measures()
    load_parts()
    kinds = {"reducer": REDUCERS, "quantizer": QUANTIZERS, "index": INDICES}
    parts = {(kind, name, entry.summary) for kind, one in kinds.items() for name, entry in one.items()}
    for _ in range(2):  # from the registries, then as they are remembered
        read = {item.value: item.help for item in completion.known_measures()}
        assert set(read) == {*known, *(m.family for m in known.values())}
        assert all(read[name] == measure.summary for name, measure in known.items())
        assert {(kind, item.value, item.help) for kind, item in completion.known_parts()} == parts
        monkeypatch.setattr(registry, "measures", lambda: pytest.fail("the registry was read again"))
    monkeypatch.undo()
    (cache_dir / "completion.json").write_text("{ damaged")
    assert {item.value for item in completion.known_measures()} == set(read)


def test_models_and_what_the_hubs_cache_holds(here: Path) -> None:
    (here / "hub-home" / "hub" / "models--intfloat--e5-small-v2").mkdir(parents=True)
    assert offered("analyze ")[:2] == ["minilm", "vectors:"]
    assert "faiss:" in offered("analyze ")
    assert offered("analyze ")[-1] == "intfloat/e5-small-v2"
    assert offered("compress mi") == ["minilm"]
    assert offered("models int") == ["intfloat/e5-small-v2"]


def test_vector_files_complete_the_vectors_prefix() -> None:
    Path("data").mkdir()
    for name in ("docs.npy", "data/docs.npz", "notes.txt"):
        Path(name).touch()
    assert offered("analyze vectors:d") == ["vectors:data/", "vectors:docs.npy"]
    assert offered("analyze vectors:data/") == ["vectors:data/docs.npz"]
    assert offered("analyze vectors:nowhere/") == []


def test_datasets_and_folders_with_a_corpus() -> None:
    Path("other").mkdir()
    Path("tickets").mkdir()
    Path("tickets/corpus.jsonl").touch()
    assert offered("analyze minilm t") == ["tiny", "tickets/"]
    assert offered("analyze minilm pydocs") == ["pydocs", "pydocs:scientific"]
    assert offered("datasets ot") == []


def test_measures_one_after_another() -> None:
    assert offered("analyze minilm tiny --measures twonn") == ["twonn_dim"]
    assert offered("analyze minilm tiny --measures twonn_dim,unif") == ["twonn_dim,uniformity"]
    assert offered("analyze minilm tiny --measures twonn_dim,twonn") == []
    assert "topology" in offered("measures topo")


def test_specs_part_by_part() -> None:
    from embgeo.compression.codecs.spec import parse

    first = offered("compress minilm tiny --spec ")
    assert {"hnsw32,", "pca192,", "int8"} <= set(first)
    assert "pca192,int8" in offered("compress minilm tiny --spec pca192,int8")
    assert offered("compress minilm tiny --spec pca192,int8") != offered("compress minilm tiny --spec pca192,")
    assert offered("compress minilm tiny --spec pca192,hnsw") == []
    assert "binary+int8@4" in offered("compress minilm tiny --spec binary+int8")
    for spec in first:
        assert str(parse(spec if spec[-1] != "," else f"{spec}f32")).startswith(spec)


def test_stores_that_hold_vectors_once_each() -> None:
    assert {"pgvector", "qdrant", "faiss"} <= set(offered("compress minilm tiny --target "))
    assert "mteb" not in offered("compress minilm tiny --target ")
    assert offered("compress minilm tiny --target pg") == ["pgvector"]
    assert "qdrant" not in offered("compress minilm tiny --target qdrant --target ")


def test_runs_newest_first_and_only_those_that_fit() -> None:
    for age, name in enumerate(["compress-a-00000001", "analyze-a-00000002", "compress-b-00000003"]):
        folder = Path("embgeo-runs") / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({}))
        os.utime(folder / "run.json", (1e9 - age, 1e9 - age))
    Path("embgeo-runs/compress-no-run").mkdir()
    assert offered("search ") == ["compress-a-00000001", "compress-b-00000003"]
    assert offered("report ") == ["compress-a-00000001", "analyze-a-00000002", "compress-b-00000003"]
    assert offered("compare compress-a-00000001 comp") == ["compress-b-00000003"]
    Path("embgeo-runs").rename("there")
    assert offered("search ") == []
    assert offered("compare --out there an") == ["analyze-a-00000002"]


LINES = ["analyze m", "analyze minilm t", "analyze minilm tiny --measures t", "compress a b --spec p", "search c"]
LIST_MODULES = (
    "import sys\nfrom embgeo.cli import main\ntry:\n    main([])\nexcept SystemExit:\n    print(*sys.modules)"
)


@pytest.mark.parametrize("line", LINES)
def test_completing_imports_nothing_heavy(line: str) -> None:
    list(completion.known_measures())  # names are remembered from the first TAB on
    words = f"embgeo {line}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_EMBGEO_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES], env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    *answers, modules = done.stdout.splitlines()
    assert line.startswith("search") or any(answer.startswith("plain,") for answer in answers)
    # the rest of what is heavy comes with numpy or later
    assert not (HEAVY - {"platformdirs"}) & set(modules.split())


@pytest.mark.parametrize(
    ("words", "place", "expected"),
    [
        (["analyze", "vectors", ":", "do"], 4, ["docs.npy"]),
        (["analyze", "vectors", ":"], 3, ["docs.npy"]),
        (["analyze", "minilm", "pydocs", ":", "s"], 5, ["scientific"]),
        (["compress", "minilm", "tiny", "--spec", "binary+int8", "@"], 6, ["4"]),
        (["compress", "minilm", "tiny", "--spec", "=", "fp4r"], 6, ["fp4raw"]),
        (["compress", "minilm", "tiny", "--dev"], 4, ["--device"]),
    ],
)
def test_bash_gets_whole_words(words: list[str], place: int, expected: list[str]) -> None:
    """bash hands over `vectors:docs` as three words and replaces the last one only."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    Path("docs.npy").touch()
    tool = Path("embgeo")
    tool.write_text(f'#!{bash}\nexec {sys.executable} -m embgeo.cli "$@"\n')
    tool.chmod(0o755)
    script = (
        'eval "$(_EMBGEO_COMPLETE=bash_source embgeo)"; '
        f"COMP_WORDS=(embgeo {' '.join(words)}); COMP_CWORD={place}; _embgeo_completion embgeo; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [bash, "--norc", "-c", script], env={**os.environ, "PATH": f"{Path.cwd()}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == expected
