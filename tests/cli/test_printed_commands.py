"""Every command that embgeo prints works when it is pasted: on the terminal, in the report, in help and in messages."""

from __future__ import annotations

import contextlib
import html
import re
import shlex
import sqlite3
from pathlib import Path

import click
import numpy as np
import pytest

from embgeo.cli.failures import run
from embgeo.cli.group import COMMANDS, embgeo
from embgeo.reports import report_html
from embgeo.reports.commands import commands, repeat_command
from embgeo.run import load_run

PRINTED = re.compile(r"^(?:\w+ +)?(embgeo (?:" + "|".join(COMMANDS) + r") .*)$", re.MULTILINE)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of bare vectors with queries, in a working directory that holds query.npy too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMBGEO_OUT", raising=False)
    rng = np.random.default_rng(0)
    docs = rng.standard_normal((120, 16)).astype(np.float32)
    np.save("my docs.npy", docs)
    np.save("queries.npy", docs[:30] + rng.standard_normal((30, 16)).astype(np.float32))
    np.save("query.npy", docs[:1])
    return ["vectors:my docs.npy", "--queries-vectors", "queries.npy"]


def pasted(line: str) -> int:
    return run(shlex.split(line)[1:])


@pytest.mark.parametrize("out", ["my runs", "../elsewhere"])
def test_every_printed_command_works(out: str, bare: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    # relative or absolute, below the working directory or not
    place = ["--out", out if " " in out else str(Path(out).resolve())]
    lines: list[str] = []
    asked = [
        ["analyze", *bare, "--measures", "uniformity,twonn_dim"],
        ["compress", *bare, "--spec", "int8", "--spec", "pca8,rot,int4", "--budget", "8B", "--seed", "3"],
        ["compress", *bare, "--spec", "binary"],
    ]
    for words in asked:
        assert run([*words, *place]) == 0
        said = capsys.readouterr()
        lines += PRINTED.findall(said.out + said.err)
    stored = [load_run(path) for path in sorted(Path(out).iterdir())]
    pair = [str(made.folder) for made in stored if made.command == "compress"]
    assert run(["compare", *pair, "--no-html", "--quiet", *place]) == 0
    [compared] = map(load_run, Path(out).glob("compare-*"))
    lines += [html.unescape(line) for line in re.findall(r"<code>(embgeo [^<]*)</code>", report_html([compared]))]
    for made in stored:
        lines += [line for _, line in commands(made)]
        lines += [repeat_command(made, [row["spec"]]) for row in [made.result.get("baseline"), *_rows(made)] if row]
    capsys.readouterr()
    assert run(["report", *(str(made.folder) for made in stored)]) == 0
    lines += PRINTED.findall(capsys.readouterr().out)
    assert {line.split()[1] for line in lines} == {"analyze", "compress", "compare", "deploy", "search", "report"}
    for line in dict.fromkeys(lines):
        code, err = pasted(line), capsys.readouterr().err
        # the client of a store may not be installed
        assert code == 0 or (" deploy " in line and "pip install" in err), (line, err)


def test_the_commands_of_a_store_keep_its_options_and_search_by_vector(
    bare: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    docs = np.load("my docs.npy")
    with contextlib.closing(sqlite3.connect("my docs.db")) as db:
        db.execute("create table docs(e blob, text text)")
        db.execute("create table queries(e blob, said text)")
        db.executemany(
            "insert into docs values (?, ?)", [(x.tobytes(), f"document {row}") for row, x in enumerate(docs)]
        )
        db.executemany("insert into queries values (?, ?)", [(x.tobytes(), "a query") for x in docs[:20]])
        db.commit()
    place = "sqlite-vec:my docs.db"
    for text in ("said", "", None):
        column = [] if text is None else ["--text", text]
        queries = ["--queries-vectors", f"{place}/queries"]
        documents = f"{place}/queries" if text == "said" else f"{place}/docs"
        assert run(["compress", documents, *queries, *column, "--spec", "int8", "--quiet", "--no-html"]) == 0
        capsys.readouterr()
        made = max(map(load_run, Path("embgeo-runs").iterdir()), key=lambda one: one.folder.stat().st_mtime_ns)
        told = {"said": {"a query"}, "": set(), None: {f"document {row}" for row in range(len(docs))}}
        assert set(made.documents.values()) == told[text]
        for _, line in commands(made):
            code, err = pasted(line), capsys.readouterr().err
            assert code == 0 or (" deploy " in line and "pip install" in err), (line, err)
    assert len(list(Path("embgeo-runs").iterdir())) == 3  # repeating a run replaces it


def _rows(made: object) -> list[dict]:
    return made.result.get("tradeoffs") or []  # type: ignore[attr-defined]


def test_a_row_is_repeated_without_the_limits_that_chose_among_rows(bare: list[str]) -> None:
    assert run(["compress", *bare, "--spec", "binary", "--budget", "2B", "--keep", "50%", "--quiet"]) == 0
    [made] = map(load_run, Path("embgeo-runs").iterdir())
    words = shlex.split(repeat_command(made, ["f32"]))
    assert words[-2:] == ["--spec", "f32"]
    assert not {"--budget", "--keep", "--exhaustive", "--grid"} & set(words)


@pytest.mark.parametrize("command", [["search", "--vector", "query.npy"], ["export"], ["report"]], ids=lambda c: c[0])
def test_a_run_is_found_by_its_id_under_out(
    command: list[str], bare: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compress", *bare, "--spec", "int8", "--no-html", "--quiet", "--out", "there"]) == 0
    name = next(Path("there").iterdir()).name.rpartition("-")[2]
    assert run([*command, name]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"embgeo: no run matches '{name}' in embgeo-runs (0 runs there; set --out or EMBGEO_OUT)")
    assert run([*command, name, "--out", "there"]) == 0
    monkeypatch.setenv("EMBGEO_OUT", "there")
    assert run([*command, name]) == 0


def examples() -> list[str]:
    found = []
    for words in [[], *([name] for name in COMMANDS), *(["cache", name] for name in ("path", "list", "clear"))]:
        command: click.Command = embgeo
        context = click.Context(embgeo, info_name="embgeo")
        for word in words:
            command = command.get_command(context, word)  # type: ignore[attr-defined]
        help_text = command.help or ""
        found += [line.strip() for line in help_text.splitlines() if re.match(r" *(\w+=\S+ )?embgeo ", line)]
    return found


def messages(repository: Path) -> list[str]:
    """`embgeo …` between backticks in what the source says."""
    files = [
        path for folder in ("cli", "embgeo", "reports", "datasets") for path in (repository / folder).rglob("*.py")
    ]
    return sorted({found for path in files for found in re.findall(r"`(embgeo [a-z][^`]*)`", path.read_text("utf-8"))})


def parses(line: str) -> bool:
    """Whether click takes the words of `line`; nothing is run. RUN, NAME and … stand for any word."""
    named = re.sub(r" (--option )?….*| > \S+json$| && .*", "", line)
    words = [word for word in shlex.split(named) if "=" not in word or word.startswith("-")][1:]
    command: click.Command = embgeo
    context = click.Context(embgeo, info_name="embgeo")
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        if found is None:
            return words[0].isupper()
        command, words = found, words[1:]
    with contextlib.suppress(click.exceptions.Exit, click.MissingParameter, click.exceptions.NoArgsIsHelpError):
        command.make_context("embgeo", list(words))
    return True


def test_every_example_of_the_help_is_a_command() -> None:
    lines = examples()
    assert len(lines) > 20
    for line in lines:
        assert parses(line), line


def test_every_command_that_a_message_names_exists(repository: Path) -> None:
    lines = messages(repository)
    assert "embgeo models" in lines
    for line in lines:
        assert parses(line), line


def test_the_parser_of_examples_rejects_what_does_not_exist() -> None:
    assert not parses("embgeo analyse minilm")
    with pytest.raises(click.NoSuchOption):
        parses("embgeo analyze minilm pydocs --no-such-flag")
