"""Every failure is one line on stderr with the right exit code; --debug adds the traceback."""

from __future__ import annotations

import errno
import logging
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from examples.faked_pipelines import fake_pipelines

import embgeo
from embgeo import errors
from embgeo.cli.failures import INTERRUPTED, run


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> types.ModuleType:
    """`embgeo.api` whose `analyze` raises the module's `error`."""
    module = types.ModuleType("embgeo.api")

    def analyze(*_: Any, **__: Any) -> None:
        raise vars(module)["error"]

    vars(module).update(analyze=analyze, error=None)
    monkeypatch.setitem(sys.modules, "embgeo.api", module)
    monkeypatch.setattr(embgeo, "api", module, raising=False)
    fake_pipelines(monkeypatch, vars(module))
    monkeypatch.chdir(tmp_path)
    return module


TYPED = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.EmbgeoError) and kind.__module__ == errors.__name__
]


def outcome(module: types.ModuleType, error: BaseException, capsys: pytest.CaptureFixture[str], *more: str) -> Any:
    vars(module)["error"] = error
    code = run(["analyze", "minilm", "pydocs", *more])
    out, err = capsys.readouterr()
    assert out == ""
    return code, err


@pytest.mark.parametrize("kind", TYPED, ids=lambda kind: kind.__name__)
def test_a_typed_error_is_one_line_and_its_exit_code(
    kind: type[errors.EmbgeoError], failing: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = outcome(failing, kind("rows must be finite; 3 are not"), capsys)
    assert (code, err) == (kind.exit_code, "embgeo: rows must be finite; 3 are not\n")
    assert code in (2, 3)


def test_a_message_of_many_lines_is_printed_as_one(
    failing: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = outcome(failing, errors.DataError("first\n   second\n"), capsys)
    assert (code, err) == (2, "embgeo: first second\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_with_what_to_do(
    number: int, failing: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = outcome(failing, OSError(number, "full", "/data/x.bin"), capsys)
    assert code == 2
    assert err.startswith("embgeo: the disk is full while writing /data/x.bin. Free some space")
    assert err.count("\n") == 1


def test_a_forbidden_file_is_named(failing: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = outcome(failing, PermissionError(errno.EACCES, "no", "/data/x.bin"), capsys)
    assert code == 2
    assert err.startswith("embgeo: Permission denied: /data/x.bin.")


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), OSError(errno.EIO, "input/output"), EOFError("cut")])
def test_anything_else_is_an_internal_error_and_exit_1(
    error: Exception, failing: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = outcome(failing, error, capsys)
    assert code == 1
    line = err.strip()  # click ends the line of ^C before an EOFError reaches us
    assert line.startswith(f"embgeo: internal error: {type(error).__name__}: ")
    assert "--debug" in line
    assert "Traceback" not in line
    assert "\n" not in line


@pytest.mark.parametrize(("error", "code"), [(errors.InputError("bad"), 2), (ZeroDivisionError("by zero"), 1)])
def test_debug_shows_the_traceback_and_keeps_the_code(
    error: Exception, code: int, failing: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    found, err = outcome(failing, error, capsys, "--debug")
    assert found == code
    assert "Traceback (most recent call last)" in err
    assert err.rstrip().splitlines()[-1].startswith("embgeo: ")


@pytest.mark.parametrize(
    ("flags", "heard"),
    [
        ([], ["warning"]), (["--quiet"], []), (["--verbose"], ["info", "warning"]),
        (["--debug"], ["debug", "info", "warning"]),
    ],
)  # fmt: skip
def test_the_log_level_follows_the_flags(
    flags: list[str], heard: list[str], failing: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def analyze(*_: Any, **__: Any) -> None:
        logger = logging.getLogger("embgeo.somewhere")
        for level in ("debug", "info", "warning"):
            getattr(logger, level)("a %s", level)
        raise errors.InputError("bad")

    vars(failing)["analyze"] = analyze
    assert run(["analyze", "minilm", "pydocs", *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    said = [line for line in err.splitlines() if line.startswith("embgeo.somewhere: ")]
    assert said == [f"embgeo.somewhere: a {level}" for level in heard]
    # an error is said whatever the flags, and its traceback under --debug alone
    assert err.endswith("embgeo: bad\n")
    assert ("Traceback" in err) == ("--debug" in flags)
    assert logging.getLogger("embgeo").handlers == []


def test_help_says_the_exit_codes_that_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out.partition("Exit codes:")[2].partition("Options:")[0]
    codes = {int(line.split()[0]) for line in said.splitlines() if line.strip()}
    assert codes == {0, 1, INTERRUPTED, *(kind.exit_code for kind in TYPED)}


def test_interruption_is_130_and_says_how_to_resume(
    failing: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = outcome(failing, KeyboardInterrupt(), capsys)
    assert code == 130
    assert err.strip().startswith("embgeo: interrupted.")
    assert err.strip().endswith(
        "Texts encoded so far are kept. To resume, run the same command again: embgeo analyze minilm pydocs"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["analyse"], "did you mean analyze?"),
        (["frobnicate"], "the commands are analyze, compress"),
        (["analyze"], "Missing argument 'MODEL'"),
        (["analyze", "minilm", "--seed", "x"], "'x' is not a valid integer"),
        (["analyze", "minilm", "--quiet", "--debug"], "cannot be combined"),
        (["analyze", "minilm", "--html", "a.html", "--no-html"], "cannot be combined"),
        (["search", "run"], "give a QUERY text or --vector FILE"),
        (["search", "run", "text", "--vector", "q.npy"], "or --vector FILE, not both"),
        (["report"], "Missing argument"),
    ],
)
def test_wrong_usage_is_exit_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "nowhere"], "no run matches 'nowhere' in embgeo-runs (0 runs there; set --out or EMBGEO_OUT)"),
        (["report", "here/nowhere"], "nowhere does not exist"),
        (["measures", "twonn"], "did you mean twonn_dim"),
        (["datasets", "./nowhere"], "the dataset folder ./nowhere does not exist"),
        (["cache", "clear", "0123"], "unknown cache entry '0123'"),
    ],
)
def test_the_library_words_the_errors_of_names(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # the clone may hold the runs of `make demo`
    assert run(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("embgeo: ")
    assert said in err
    assert err.count("\n") == 1


def test_an_unwritable_json_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["models", "--json", str(tmp_path / "file" / "x.json")]) == 2
    assert "--json must name a writable file" in capsys.readouterr().err
