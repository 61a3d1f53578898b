"""Shell completion (TAB). It must answer at once: numpy is imported only to read the registries, and only once.

Enable it with  eval "$(_EMBGEO_COMPLETE=bash_source embgeo)"  in ~/.bashrc; zsh_source and fish_source as well.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

import embgeo

VECTORS = "vectors:"
RUNS_FOLDER = "embgeo-runs"
REGISTRIES = ("metrics", "compression", "reproductions", "sources", "targets")
_PACKAGE = Path(embgeo.__file__).parent


def models(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """`minilm`, vector files after vectors:, stores, model folders, and hub models cached on this machine."""
    if incomplete.startswith(VECTORS):
        return list(_vector_files(incomplete.removeprefix(VECTORS)))
    names = [CompletionItem("minilm", help="packaged all-MiniLM-L6-v2"), CompletionItem(VECTORS, help="a vector file")]
    names += [CompletionItem(f"{scheme}:", help=form) for scheme, form in _registered()["store"]]
    names += [CompletionItem(name, help="in the hub's cache") for name in _cached_models()]
    return [CompletionItem(incomplete, type="dir"), *_beginning(names, incomplete)]


def query_vectors(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files and stores."""
    names = [CompletionItem(f"{scheme}:", help=form) for scheme, form in _registered()["store"]]
    return [CompletionItem(incomplete, type="file"), *_beginning(names, incomplete)]


def datasets(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Built-in datasets, and folders that hold a corpus."""
    from embgeo.datasets.registry import list_datasets

    names = [CompletionItem(name, help=meaning) for name, meaning in list_datasets().items()]
    names += [
        CompletionItem(f"{folder}{os.sep}", help="a folder in BEIR format")
        for folder in _folders(incomplete)
        if any((folder / name).is_file() for name in ("corpus.jsonl", "corpus.jsonl.gz"))
    ]
    return [CompletionItem(incomplete, type="dir"), *_beginning(names, incomplete)]


def measures(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Measures and families; after a comma, the next one."""
    head = incomplete[: incomplete.rfind(",") + 1]
    taken = set(head.split(","))
    return _beginning(
        [CompletionItem(head + item.value, help=item.help) for item in known_measures() if item.value not in taken],
        incomplete,
    )


def specs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The parts of a spec in order: index and reducers, a quantizer, rescoring after +."""
    cut = max(incomplete.rfind(","), incomplete.rfind("+")) + 1
    head = incomplete[:cut]
    offered = []
    for kind, item in known_parts():
        if head.endswith("+"):
            if kind == "quantizer":
                offered.append(CompletionItem(f"{head}{item.value}@4", help=f"rescoring: {item.help}"))
        elif kind != "index" or not head:
            # a reducer or an index needs a part after it
            more = "" if kind == "quantizer" else ","
            offered.append(CompletionItem(head + item.value + more, help=item.help))
    return _beginning(offered, incomplete)


def targets(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Stores that hold vectors."""
    taken = set(ctx.params.get("targets") or ())
    offered = [CompletionItem(name, help=summary) for name, summary in _registered()["target"] if name not in taken]
    return _beginning(offered, incomplete)


def reproductions(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Published results that can be computed again."""
    taken = set(ctx.params.get("names") or ())
    known = _registered()["reproduction"]
    return _beginning((CompletionItem(name, help=title) for name, title in known if name not in taken), incomplete)


def runs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Stored runs, newest first; for search and export only those of compress."""
    out = Path(ctx.params.get("out") or os.environ.get("EMBGEO_OUT") or RUNS_FOLDER)
    wanted = "compress-" if ctx.info_name in ("search", "export") else ""
    taken = {str(name) for name in ctx.params.get("runs") or ctx.params.get("folders") or ()}
    stored = sorted(out.glob("*/run.json"), key=lambda file: file.stat().st_mtime, reverse=True) if out.is_dir() else []
    names = [file.parent.name for file in stored if file.parent.name.startswith(wanted)]
    offered = [CompletionItem(name) for name in names if name not in taken]
    return [CompletionItem(incomplete, type="dir"), *_beginning(offered, incomplete)]


def known_measures() -> Iterator[CompletionItem]:
    """Every measure with its summary, and every family."""
    for name, summary in _registered()["measure"]:
        yield CompletionItem(name, help=summary)


def known_parts() -> Iterator[tuple[str, CompletionItem]]:
    """(kind, example) of every part of a spec with its summary."""
    for kind in ("index", "reducer", "quantizer"):
        for name, summary in _registered()[kind]:
            yield kind, CompletionItem(name, help=summary)


def _registered() -> dict[str, list[tuple[str, str]]]:
    """(name, summary) of each registered item, by kind; cached on disk, since importing them takes a second."""
    from embgeo.files.atomic import write_text
    from embgeo.files.cache_folder import cache_directory

    sources = [path for folder in REGISTRIES for path in (_PACKAGE / folder).rglob("*.py")]
    state = [embgeo.__version__, len(sources), max(path.stat().st_mtime_ns for path in sources)]
    file = cache_directory() / "completion.json"
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        cached = json.loads(file.read_text("utf-8"))
        if cached["state"] == state:
            return dict(cached["names"])
    from embgeo.compression.codecs.part import INDICES, QUANTIZERS, REDUCERS, load_parts
    from embgeo.metrics.registry import measures
    from embgeo.reproductions.registry import reproductions as known
    from embgeo.sources.vector_files import file_suffixes
    from embgeo.sources.vector_stores import vector_stores
    from embgeo.targets import planning_targets

    load_parts()
    found = measures()
    names = {
        "measure": [
            *((name, measure.summary) for name, measure in found.items()),
            *((family, "a family of measures") for family in sorted({one.family for one in found.values()})),
        ],
        "suffix": [(suffix, "vectors") for suffix in file_suffixes()],
        "target": [(each.name, each.summary) for each in planning_targets()],
        "reproduction": [(name, entry.title) for name, entry in known().items()],
        "store": [(name, store.form) for name, store in vector_stores().items()],
    }
    for kind, registry in (("index", INDICES), ("reducer", REDUCERS), ("quantizer", QUANTIZERS)):
        names[kind] = [(name, entry.summary) for name, entry in registry.items()]
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({"state": state, "names": names}))
    return names


def _beginning(items: Iterable[CompletionItem], incomplete: str) -> list[CompletionItem]:
    return [item for item in items if item.value.startswith(incomplete)]


def _folders(incomplete: str) -> list[Path]:
    parent, _, start = incomplete.rpartition(os.sep)
    place = Path(parent or (os.sep if incomplete.startswith(os.sep) else "."))
    try:
        return sorted(path for path in place.iterdir() if path.name.startswith(start) and path.is_dir())
    except OSError:
        return []


def _vector_files(incomplete: str) -> Iterator[CompletionItem]:
    parent, slash, start = incomplete.rpartition("/")
    try:
        found = sorted(Path(parent + slash or ".").expanduser().iterdir())
    except OSError:
        return
    readable = {suffix for suffix, _ in _registered()["suffix"]}
    for path in found:
        if path.name.startswith(start) and (start or not path.name.startswith(".")):
            if path.is_dir():
                yield CompletionItem(f"{VECTORS}{parent}{slash}{path.name}/")
            elif path.suffix in readable:
                yield CompletionItem(f"{VECTORS}{parent}{slash}{path.name}")


def _cached_models() -> list[str]:
    """Models that the hub's cache holds, by the names of its folders."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home, "hub")).expanduser()
    folders = sorted(cache.glob("models--*--*")) if cache.is_dir() else []
    return [folder.name.removeprefix("models--").replace("--", "/", 1) for folder in folders]


class WholeWords(BashComplete):
    """bash breaks words at `:`, `@` and `=`; this class rejoins words such as `vectors:docs.npy` and `int8@4`."""

    _BREAKS = (":", "@", "=")

    def source(self) -> str:
        """click's script, but without a space after a value that can be continued."""
        add = "COMPREPLY+=($value)"
        return super().source().replace(add, f"{add}; [[ $value == *[,:/] ]] && compopt -o nospace")

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        words: list[str] = []
        joined = False
        for word in [*args, incomplete]:
            if word == "=" and words and words[-1].startswith("--"):  # --spec=int8 is --spec int8
                joined = False
                continue
            breaks = word in self._BREAKS
            if words and (breaks or (joined and word)):
                words[-1] += word
            elif not (joined and not word):
                words.append(word)
            joined = breaks
        whole = words.pop() if words else ""
        # readline replaces only the text after the last break
        self._cut = max((whole.rfind(mark) + 1 for mark in self._BREAKS), default=0)
        return words, whole

    def format_completion(self, item: CompletionItem) -> str:
        value = item.value[self._cut :] if item.type == "plain" else item.value
        return f"{item.type},{value}"


def switch_on() -> None:
    """Make click use `WholeWords` for bash."""
    add_completion_class(WholeWords)
