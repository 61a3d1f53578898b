"""Progress: bars on a terminal, a line per long stage elsewhere, nothing under --quiet; never on stdout."""

from __future__ import annotations

import io
import re
import sys

import pytest

from embgeo.cli import voice as voices
from embgeo.cli.voice import Voice, fitted_note, rate_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """`time` whose monotonic clock is set by hand."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    hand = Clock()
    monkeypatch.setattr(voices, "time", hand)
    return hand


def test_a_pipe_gets_one_line_for_each_long_stage(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Voice().progress() as progress:
        progress("encode documents", 0, 100)
        progress("encode documents", 50, 100)
        clock.now = 4.0
        progress("encode documents", 100, 100)
        progress("search", 0, 10)
        clock.now = 4.5
        progress("search", 10, 10)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "encode documents: 100 in 4.0 s, 25/s\n"


def test_verbose_names_short_stages_too(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Voice(verbose=True).progress() as progress:
        progress("search", 0, 10)
        clock.now = 0.5
        progress("search", 10, 10)
        progress("loading", 1, 1)
    assert capsys.readouterr().err == "search: 10 in 0.5 s, 20/s\nloading: 0.0 s\n"


def test_details_after_a_colon_are_one_stage(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Voice().progress() as progress:
        for done, spec in enumerate(["f32", "int8", "binary"]):
            clock.now = float(done)
            progress(f"trade-offs: {spec}", done, 2)
    assert capsys.readouterr().err == "trade-offs: 2 in 2.0 s, 1.0/s\n"


def test_a_terminal_gets_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with Voice().progress() as progress:
        for done in range(0, 11, 5):
            progress("encode [documents]", done, 10)
            progress(f"trade-offs: spec{done}", done, 10)
    drawn = terminal.getvalue()
    assert "encode [documents]" in drawn
    assert "10/10" in drawn
    # what stands at the end, after the cursor went up a last time: one line a stage, no detail
    last = drawn.rpartition("\x1b[1A\x1b[2K")[2]
    assert last.count("trade-offs") == 1
    assert "spec" not in last
    assert capsys.readouterr().out == ""


FRONT = (
    "front: f32 .645@1536 · f16 .645@768 · int8 .646@384 · rot,int4 .651@192 · rot,tq2 .649@96 · "
    "adaptive@64B .635@64 · adaptive@48B .634@48 · pca96,binary .526@12"
)


def test_the_running_front_stands_under_the_bars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with Voice().progress() as progress:
        progress("trade-offs: f32", 1, 12)
        progress(f"trade-offs: int8\n{FRONT}", 7, 12)
        progress(f"trade-offs: int8\n{FRONT}", 12, 12)
        progress("timing", 4, 4)
    last = drawn_lines(terminal.getvalue())
    assert last[0].startswith("trade-offs ")
    assert last[1].startswith("timing ")
    assert last[2] == "front: f32 .645@1536 · rot,tq2 .649@96 · pca96,binary .526@12"
    assert capsys.readouterr().out == ""


def test_a_pipe_gets_the_front_with_the_line_of_its_stage(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Voice().progress() as progress:
        progress("trade-offs: f32", 0, 2)
        clock.now = 4.0
        progress("trade-offs: int8\nfront: f32 .645@1536 · int8 .646@384", 2, 2)
    assert capsys.readouterr().err == "trade-offs: 2 in 4.0 s, 0.5/s\nfront: f32 .645@1536 · int8 .646@384\n"


def test_a_note_keeps_its_ends_and_thins_out_its_middle() -> None:
    assert fitted_note(FRONT, 400) == FRONT
    for width in range(30, 170):
        line = fitted_note(FRONT, width)
        assert len(line) <= width
        assert line.startswith("front: f32 .645@1536")
    assert fitted_note(FRONT, 64) == "front: f32 .645@1536 · rot,tq2 .649@96 · pca96,binary .526@12"


def drawn_lines(text: str) -> list[str]:
    """The lines of the last drawing, without control sequences."""
    last = text.rpartition("\x1b[1A\x1b[2K")[2]
    return [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).strip() for line in last.splitlines() if line.strip()]


def test_a_dumb_terminal_gets_no_control_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "dumb")
    with Voice(verbose=True).progress() as progress:
        progress("encode", 10, 10)
    assert terminal.getvalue().startswith("encode: 10 in ")
    assert "\x1b" not in terminal.getvalue()


def test_quiet_draws_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Voice(quiet=True).progress() as progress:
        progress("encode", 0, 10)
        clock.now = 60.0
        progress("encode", 10, 10)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("speed", "text"), [(None, ""), (0.0, ""), (2.34, "2.3/s"), (26.0, "26/s"), (5183.2, "5,183/s")]
)
def test_rates_have_the_digits_that_matter(speed: float | None, text: str) -> None:
    assert rate_text(speed) == text


def test_the_voice_leaves_logging_warnings_and_environment_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    import logging
    import os
    import warnings

    monkeypatch.delenv("TRANSFORMERS_VERBOSITY", raising=False)
    logger = logging.getLogger("embgeo")
    before = (logger.level, list(logger.handlers), logger.propagate, list(warnings.filters), dict(os.environ))
    with Voice(json_target="-").speaking():
        assert sys.stdout is sys.stderr
        assert os.environ["TRANSFORMERS_VERBOSITY"] == "error"
    assert before == (logger.level, list(logger.handlers), logger.propagate, list(warnings.filters), dict(os.environ))
