"""Help costs nothing: no command's help imports what the command needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from examples.heavy import HEAVY

from embgeo.cli.group import COMMANDS

OWN = {
    "embgeo.api",
    "embgeo.run",
    "embgeo.embeddings",
    "embgeo.space",
    "embgeo.metrics",
    "embgeo.encoders",
    "embgeo.reports",
}
LIST_MODULES = """
import sys
from embgeo.cli import main
try:
    main(sys.argv[1:])
except SystemExit as done:
    assert done.code == 0, done.code
print("MODULES", *sys.modules)
"""


@pytest.mark.parametrize("words", [[], *([command] for command in COMMANDS), ["cache", "list"]], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    # coverage and the like must not add imports of their own: -I leaves the environment out
    done = subprocess.run(
        [sys.executable, "-I", "-c", LIST_MODULES, *words, "--help"], capture_output=True, text=True, check=True
    )
    text, _, modules = done.stdout.rpartition("MODULES ")
    assert text.startswith("Usage: embgeo")
    assert not (HEAVY | OWN) & set(modules.split())


def test_version_is_the_package_version(capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    import tomllib

    from embgeo.cli.failures import run

    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"embgeo {project['version']}\n"


def test_every_command_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    from embgeo.cli.failures import run

    for command in set(COMMANDS) - {"doctor"}:
        assert run([command, "--help"]) == 0
        assert f"embgeo {command} " in capsys.readouterr().out.partition("Examples:")[2]
