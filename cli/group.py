"""The root command: it lists the commands and imports none of their dependencies."""

from __future__ import annotations

import difflib
from importlib import import_module

import click

from embgeo import __version__

# in the order a new user needs them; each is cli/commands/<name>.py with a click command called `command`
COMMANDS = (
    "analyze",
    "compress",
    "limits",
    "reproduce",
    "grid",
    "compare",
    "search",
    "export",
    "targets",
    "deploy",
    "report",
    "measures",
    "models",
    "datasets",
    "schema",
    "cache",
    "doctor",
)


def load_command(name: str) -> click.Command:
    """The command of that name; its file is imported here."""
    found: click.Command = import_module(f"embgeo.cli.commands.{name}").command
    return found


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are used or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return load_command(name) if name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"the commands are {', '.join(COMMANDS)}."
            raise click.UsageError(f"unknown command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


EPILOG = """\b
Environment:
  EMBGEO_DEVICE, EMBGEO_THREADS, EMBGEO_OUT set the defaults of --device,
  --threads and --out; EMBGEO_CACHE_DIR is the folder in which embeddings and
  unfinished sweeps are cached.

\b
Configuration (--config FILE, TOML):
  Keys are the long flags, model and dataset. Keys above the tables apply to
  every command, keys in a table to that command. Paths are relative to the
  file. Flags take precedence over environment variables, and these over the
  file.
    seed = 7
    [compress]
    model = "minilm"
    spec = ["int8", "pca192,rot,int4"]

\b
Shell completion of models, datasets, measures, specs and runs:
  eval "$(_EMBGEO_COMPLETE=bash_source embgeo)"     in ~/.bashrc
  eval "$(_EMBGEO_COMPLETE=zsh_source embgeo)"      in ~/.zshrc
  _EMBGEO_COMPLETE=fish_source embgeo | source      in config.fish
"""


@click.command(cls=LazyGroup, name="embgeo", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", message="embgeo %(version)s")
def embgeo() -> None:
    """Measure an embedding space, and find the smallest vector store that keeps its search quality.

    \b
    Start here:
      embgeo analyze minilm pydocs
      embgeo compress minilm pydocs --budget 96B
      embgeo compress vectors:docs.npy my-beir-folder --queries-vectors queries.npy --keep 99%

    `embgeo COMMAND --help` shows the options and examples of a command.

    \b
    Exit codes:
      0    done
      1    internal error, a bug in embgeo
      2    user error: a bad name, option, file or budget, or a missing package
      3    condition not met (compress --strict, compare --fail-if, reproduce)
      130  interrupted by Ctrl-C; the same command resumes from there
    """
