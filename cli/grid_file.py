"""FILE of `embgeo grid`: a study in TOML.

    command = "compress"                  # or "analyze", or ["analyze", "compress"]
    models = ["minilm", "intfloat/e5-small-v2"]
    datasets = ["pydocs", "my-corpus/"]
    seeds = [0, 1, 2]                     # [0] if left out
    similarity = "cosine"                 # an option of every cell

    [compress]                            # options of the cells of one command
    budget = "96B"
    spec = ["int8", "pca192,rot,int4"]

Options have the names of the flags (`embgeo compress --help`), `-` or `_` between words; those that change no result
(--out, --threads, --engine) are flags of `embgeo grid`. Instead of a list, `models` and `datasets` can be tables by
name, with options of that model or dataset:

    [models.minilm]
    [models."vectors:docs.npy"]
    queries-vectors = "queries.npy"

A model's options take precedence over a dataset's, those over the command's, those over the ones above the tables.
Paths are relative to the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from embgeo.cli.configuration import flag_name, option_value, parameters, read, relative_to_file, shareable, shown
from embgeo.cli.group import load_command
from embgeo.cli.options import ENCODER, pop_request
from embgeo.errors import EmbgeoError, InputError, unknown_name
from embgeo.files.addresses import without_secrets
from embgeo.requests import AnalyzeRequest, CompressRequest, SubjectRequest, stored_options

KINDS: Mapping[str, type[SubjectRequest]] = {"analyze": AnalyzeRequest, "compress": CompressRequest}
AXES = ("command", "models", "datasets", "seeds")
FLAGS = "Where and how cells are made is said by flags (--out, --threads, --engine), their seeds by seeds = [0, 1]."
Options = Mapping[str, Mapping[str, Any]]  # by command: values as the command line would pass them, by parameter
Axis = Mapping[str, Options]  # the options of each model or dataset, in the order of the file


@dataclass(frozen=True)
class Study:
    """What the file says; `common` and `tables` (by command) hold the options that all its cells share."""

    path: Path
    commands: Sequence[str]
    models: Axis
    datasets: Axis
    seeds: Sequence[int]
    common: Options
    tables: Options
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Study:
        """Raises DataError for a file that cannot be read, UnknownNameError and InputError for keys and values."""
        content = read(path, "FILE")
        left = dict(content)
        commands = _commands(left.pop("command", None), path)
        models, datasets = (_axis(left, name, path) for name in ("models", "datasets"))
        if not models:
            raise InputError(f'{path} must name models, as in models = ["minilm"]')
        seeds = _seeds(left.pop("seeds", [0]), path)
        tables = {name: _options(left.pop(name, {}), name, path, [name])[name] for name in KINDS}
        return cls(path, commands, models, datasets, seeds, _options(left, "", path), tables, content)

    def check_names(self) -> None:
        """Raise the error of a model or dataset that cannot be; nothing is loaded, and no hub is asked."""
        from embgeo.sources.subject import check_names

        for model in self.models:
            with errors_in(f"models in {self.path}"):
                check_names(model=model)
        for dataset in self.datasets:
            with errors_in(f"datasets in {self.path}"):
                check_names(dataset=dataset)

    def cells(self, out: Path, threads: int | None) -> list[SubjectRequest]:
        """The requests, by command, seed, dataset and model."""
        fixed = {"out": out, "threads": threads, "engine": "local", "address": None}
        datasets = dict[str | None, Options](self.datasets.items()) or {None: {name: {} for name in KINDS}}
        return [
            self._cell(
                command, [self.common, self.tables, of_dataset, of_model], [model, dataset], {**fixed, "seed": seed}
            )
            for command in self.commands
            for seed in self.seeds
            for dataset, of_dataset in datasets.items()
            for model, of_model in self.models.items()
        ]

    def _cell(
        self, name: str, layers: Sequence[Options], subject: Sequence[str | None], fixed: Mapping[str, Any]
    ) -> SubjectRequest:
        """The request that the command line would make of these options; later layers take precedence."""
        given = {key: value for layer in layers for key, value in layer[name].items()}
        words = ["--", *(word for word in subject if word is not None)]
        values = dict(load_command(name).make_context(name, words, default_map=given).params)
        values |= {key: value for key, value in fixed.items() if key in values}
        config = {"path": str(self.path), "content": shareable(self.content)}
        request: SubjectRequest = pop_request(KINDS[name], values, config)
        return request


@contextmanager
def errors_in(where: str) -> Iterator[None]:
    """Begin the message of an error with the place in the file that caused it."""
    try:
        yield
    except EmbgeoError as error:
        raise type(error)(f"{where}: {error}") from None


def _commands(value: Any, path: Path) -> list[str]:
    if value is None:
        raise InputError(f'{path} must name the command, as in command = "compress" or ["analyze", "compress"]')
    names = _texts([value] if isinstance(value, str) else value, "command", path)
    for name in names:
        if name not in KINDS:
            raise unknown_name(f"command in {path}", name, KINDS)
    return names


def _axis(left: dict[str, Any], name: str, path: Path) -> Axis:
    """The models or the datasets of a list, or of a table by name with the options of each."""
    if name not in left:
        return {}
    value = left.pop(name)
    named = value if isinstance(value, Mapping) else {each: {} for each in _texts(value, name, path)}
    parameter = parameters(load_command("analyze"))[name.removesuffix("s")]
    return {
        relative_to_file(parameter, each, path.parent): _options(table, f"{name}.{without_secrets(each)}", path)
        for each, table in named.items()
    }


def _texts(value: Any, key: str, path: Path) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):
        raise InputError(f'{key} in {path} must be a list of names, as in ["a", "b"]; got {shown(value)}')
    return _once(value, key, path)


def _seeds(value: Any, path: Path) -> list[int]:
    whole = isinstance(value, list) and all(isinstance(each, int) and not isinstance(each, bool) for each in value)
    if not whole or not value or min(value) < 0:
        raise InputError(f"seeds in {path} must be a list of whole numbers from 0, as in [0, 1]; got {shown(value)}")
    return _once(value, "seeds", path)


def _once(values: list[Any], key: str, path: Path) -> list[Any]:
    if repeated := [each for place, each in enumerate(values) if each in values[:place]]:
        raise InputError(f"{key} in {path} must name each once; {shown(repeated[0])} is there twice")
    return values


def _options(table: Any, name: str, path: Path, commands: Sequence[str] = tuple(KINDS)) -> Options:
    """The options of a table, for each of the commands that has them; `name` is "" above the tables."""
    if not isinstance(table, Mapping):
        raise InputError(f"{name} in {path} must be a table of options, as in [{name}]; got {shown(table)}")
    known = {command: _known(command) for command in commands}
    every = {key for each in known.values() for key in each} | (set() if name else {*AXES, *KINDS})
    found: dict[str, dict[str, Any]] = {command: {} for command in KINDS}
    for key, value in table.items():
        if flag_name(key) not in every:
            raise unknown_name(f"key in [{name}] of {path}" if name else f"key in {path}", key, every, FLAGS)
        for command in commands:
            if (parameter := known[command].get(flag_name(key))) is not None:
                context = click.Context(load_command(command))
                label = f"{name}.{key}" if name else key
                found[command][str(parameter.name)] = option_value(context, parameter, value, label, path)
    return found


def _known(command: str) -> dict[str, click.Parameter]:
    """The options of a command that a run of it stores, by their flags: what its numbers depend on. Seeds are apart."""
    stored = {one.name for one in (*stored_options(KINDS[command]), *ENCODER)} - {"seed"}
    return {key: parameter for key, parameter in parameters(load_command(command)).items() if parameter.name in stored}
