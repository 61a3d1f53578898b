"""Progress: bars on a terminal, a line per long stage elsewhere, nothing under --quiet; never on stdout."""

from __future__ import annotations

import io
import re
import sys
import threading
from pathlib import Path

import pytest

from embgeo.cli import progress_lines
from embgeo.cli.outcome import follow
from embgeo.cli.output import Output, fitted_note
from embgeo.cli.progress_lines import LOG_FILE, Lines, ProgressLog, duration_text, rate_text, ticking
from embgeo.errors import InputError
from embgeo.progress import Progress
from embgeo.run import Run


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
    monkeypatch.setattr(progress_lines, "time", hand)
    return hand


def test_a_pipe_gets_one_line_for_each_long_stage(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress() as progress:
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
    with Output(verbose=True).progress() as progress:
        progress("search", 0, 10)
        clock.now = 0.5
        progress("search", 10, 10)
        progress("loading", 1, 1)
    assert capsys.readouterr().err == "search: 10 in 0.5 s, 20/s\nloading: 0.0 s\n"


def test_details_after_a_colon_are_one_stage(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress() as progress:
        for done, spec in enumerate(["f32", "int8", "binary"]):
            clock.now = float(done)
            progress(f"trade-offs: {spec}", done, 2)
    assert capsys.readouterr().err == "trade-offs: 2 in 2.0 s, 1.0/s\n"


def test_no_silence_is_longer_than_about_thirty_seconds(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress() as progress:
        for second in range(0, 301):
            clock.now = float(second)
            progress("trade-offs: int8", 60 + second, 960)  # 60 were taken up from an earlier try
    # by hand: after 60 s 60 of the 900 that were left are done, so 840 s remain
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == [
        "trade-offs: int8: 90 of 960 in 30 s, about 14 min left",
        "trade-offs: int8: 120 of 960 in 60 s, about 14 min left",
    ]
    assert len(said) == 10


def test_a_step_without_a_callback_is_reported_by_the_clock(clock: Clock) -> None:
    said: list[str] = []
    lines = Lines(lambda line, note: said.append(line))
    clock.now = 31.0
    lines.tick()
    lines("space map", 0, 1)
    clock.now = 62.0
    lines.tick()
    lines.tick()  # not twice in one period
    lines("space map", 1, 1)
    clock.now = 100.0
    lines.tick()
    assert said == ["starting: 31 s", "space map: 31 s", "space map: 31.0 s", "after space map: 38 s"]


def test_a_thread_ticks_while_the_work_is_silent() -> None:
    heard = threading.Event()

    class Heard(Lines):
        def tick(self) -> None:
            heard.set()

    with ticking(Heard(lambda line, note: None), seconds=0.001):
        assert heard.wait(60)


def test_the_log_is_beside_the_run_and_then_in_it(clock: Clock, tmp_path: Path) -> None:
    log = ProgressLog(tmp_path / "runs" / "compress-x-1.log")
    with Output(quiet=True).progress(log) as progress:
        progress("encode documents", 0, 100)
        assert not log.path.exists()  # short work leaves no log
        clock.now = 40.0
        progress("encode documents", 50, 100)
        assert log.path.read_text().endswith("Z encode documents: 50 of 100 in 40 s, about 40 s left\n")
        progress("encode documents\nfront: f32 .645@1536", 100, 100)
    (tmp_path / "runs" / "compress-x").mkdir()
    log.keep(tmp_path / "runs" / "compress-x")
    assert [path.name for path in tmp_path.glob("runs/*")] == ["compress-x"]
    kept = (tmp_path / "runs" / "compress-x" / LOG_FILE).read_text().splitlines()
    assert [line.partition("Z ")[2] for line in kept[1:]] == [
        "encode documents: 100 in 40.0 s, 2.5/s",
        "front: f32 .645@1536",
    ]


def test_failed_work_leaves_no_log(clock: Clock, tmp_path: Path) -> None:
    def work(progress: Progress) -> Run:
        progress("encode", 0, 2)
        clock.now = 40.0
        progress("encode", 1, 2)
        assert len(list((tmp_path / "runs").glob("compress-minilm-tiny-*.log"))) == 1
        raise InputError("bad")

    with pytest.raises(InputError, match="bad"):
        follow(Output(quiet=True), tmp_path / "runs", "compress", "minilm", "tiny", work)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_terminal_gets_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with Output().progress() as progress:
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


def test_the_running_front_is_shown_under_the_bars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with Output().progress() as progress:
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
    with Output().progress() as progress:
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
    with Output(verbose=True).progress() as progress:
        progress("encode", 10, 10)
    assert terminal.getvalue().startswith("encode: 10 in ")
    assert "\x1b" not in terminal.getvalue()


def test_quiet_draws_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Output(quiet=True).progress() as progress:
        progress("encode", 0, 10)
        clock.now = 60.0
        progress("encode", 10, 10)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("speed", "text"), [(None, ""), (0.0, ""), (2.34, "2.3/s"), (26.0, "26/s"), (5183.2, "5,183/s")]
)
def test_rates_have_the_digits_that_matter(speed: float | None, text: str) -> None:
    assert rate_text(speed) == text


def test_the_output_leaves_logging_warnings_and_environment_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    import logging
    import os
    import warnings

    monkeypatch.delenv("TRANSFORMERS_VERBOSITY", raising=False)
    logger = logging.getLogger("embgeo")
    before = (logger.level, list(logger.handlers), logger.propagate, list(warnings.filters), dict(os.environ))
    with Output(json_target="-").configured():
        assert sys.stdout is sys.stderr
        assert os.environ["TRANSFORMERS_VERBOSITY"] == "error"
    assert before == (logger.level, list(logger.handlers), logger.propagate, list(warnings.filters), dict(os.environ))
