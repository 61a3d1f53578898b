"""`--config FILE`: a TOML file of options.

    seed = 7                      # for every command that has --seed
    out = "runs"

    [compress]
    model = "vectors:docs.npy"
    spec = ["int8", "pca192,rot,int4"]
    no-html = true

Keys are the long flags without their leading dashes (`-` or `_` between words), `model` and `dataset`. A table holds
the options of one command; keys above the tables apply to all commands. A flag on the command line takes precedence
over an environment variable, then the command's table, then the common keys. Paths are relative to the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from embgeo.cli.group import load_command
from embgeo.errors import DataError, InputError, unknown_name
from embgeo.files.addresses import without_secrets

if TYPE_CHECKING:
    from embgeo.sources.vector_stores import VectorStore

COMMANDS = ("analyze", "compress", "limits", "reproduce", "compare", "search", "export", "report")
ARGUMENTS = ("model", "dataset")  # the positional arguments that a file may set
VECTORS = "vectors:"
_META = "embgeo.config"


class Names(click.ParamType):
    """Several names in one value, split at a separator."""

    name = "names"

    def __init__(self, separator: str) -> None:
        self.separator = separator

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return [name.strip() for name in value.split(self.separator) if name.strip()] if value else None


def config_option(function: Any) -> Any:
    """Add `--config FILE` to a command."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_apply,
        help="Options from a TOML file; flags take precedence (`embgeo --help`).",
    )(function)


def used(ctx: click.Context) -> dict[str, Any] | None:
    """Path and content of this command's configuration file, as a run stores them; None without one."""
    found: dict[str, Any] | None = ctx.meta.get(_META)
    return found


def drop_overridden(ctx: click.Context, values: dict[str, Any], *groups: Iterable[str]) -> None:
    """In each group of mutually exclusive options, a flag on the command line overrides those of the file."""
    if used(ctx) is None:
        return
    for group in groups:
        named = [name for name in group if values.get(name)]
        sources = {name: ctx.get_parameter_source(name) for name in named}
        if any(source is not ParameterSource.DEFAULT_MAP for source in sources.values()):
            for name, source in sources.items():
                if source is ParameterSource.DEFAULT_MAP:
                    values[name] = {bool: False, tuple: ()}.get(type(values[name]))


def _apply(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    content = read(path)
    common = {key: value for key, value in content.items() if not isinstance(value, Mapping)}
    options: dict[str, Any] = {}
    here = str(ctx.command.name if ctx.info_name is None else ctx.info_name)
    anywhere = {key for name in COMMANDS for key in parameters(load_command(name))}
    for key, value in common.items():
        if flag_name(key) not in anywhere:
            raise unknown_name(f"key in {path}", key, anywhere)
        parameter = parameters(ctx.command).get(flag_name(key))
        if parameter is not None:
            options[str(parameter.name)] = option_value(ctx, parameter, value, key, path)
    for name, table in content.items():
        if not isinstance(table, Mapping):
            continue
        if name not in COMMANDS:
            raise unknown_name(f"table in {path}", name, COMMANDS)
        known = parameters(load_command(name))
        for key, value in table.items():
            if flag_name(key) not in known:
                raise unknown_name(f"key in [{name}] of {path}", key, known)
            if name == here:
                parameter = known[flag_name(key)]
                options[str(parameter.name)] = option_value(ctx, parameter, value, f"{name}.{key}", path)
    ctx.default_map = {**(ctx.default_map or {}), **options}
    ctx.meta[_META] = {"path": str(path), "content": shareable(content)}


def read(path: Path, called: str = "--config") -> dict[str, Any]:
    """The parsed TOML file, its names unchecked; `called` is where it was named. Raises DataError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{called} must name a readable file; {path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} must be TOML in UTF-8; {error}") from None


def parameters(command: click.Command) -> dict[str, click.Parameter]:
    """What a file may set for `command`: long flags without leading dashes, and its MODEL and DATASET."""
    return dict(_named(command))


def _named(command: click.Command) -> Iterator[tuple[str, click.Parameter]]:
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            if parameter.name in ARGUMENTS:
                yield str(parameter.name), parameter
            continue
        long = [flag.removeprefix("--") for flag in parameter.opts if flag.startswith("--")]
        name = long[0] if long else str(parameter.name)  # -k has no long form
        if name not in ("config", "help"):
            yield name, parameter


def flag_name(key: str) -> str:
    """The flag that a key means, without its dashes."""
    return key.replace("_", "-")


def option_value(ctx: click.Context, parameter: click.Parameter, value: Any, key: str, path: Path) -> Any:
    """The value as the command line would pass it; InputError if the flag would reject it."""
    flag = isinstance(parameter, click.Option) and parameter.is_flag
    if flag != isinstance(value, bool):
        wanted = "true or false" if flag else "a value, not true or false"
        raise InputError(f"{key} in {path} must be {wanted}; got {shown(value)}")
    if flag:
        return value
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
        raise InputError(f"{key} in {path} must be text or a number; got {shown(value)}")
    texts = [relative_to_file(parameter, str(item), path.parent) for item in items]
    if parameter.multiple:
        passed: Any = tuple(texts)
    elif not isinstance(value, list):
        passed = texts[0]
    elif isinstance(parameter.type, Names):
        passed = parameter.type.separator.join(texts)
    else:
        raise InputError(f"{key} in {path} must be one value; got a list of {len(items)}")
    try:
        parameter.type_cast_value(ctx, passed)
    except click.BadParameter as error:
        raise InputError(f"{key} in {path}: {error.message}") from None
    return passed


def relative_to_file(parameter: click.Parameter, text: str, base: Path) -> str:
    """`text`; if it is a path, relative to the folder `base` of the file."""
    if text.startswith("~"):
        return text
    if isinstance(parameter.type, click.Path) or (parameter.name == "json_target" and text != "-"):
        return str(base / text)
    names_vectors = parameter.name in ("model", "queries_vectors")
    if names_vectors and text.startswith(VECTORS):
        place = text.removeprefix(VECTORS)
        return text if place.startswith("~") else VECTORS + str(base / place)
    if names_vectors and (store := _store(text)) is not None:
        scheme, _, place = text.partition(":")
        outside = not store.on_disk or "://" in place or place.startswith("~")
        return text if outside else f"{scheme}:{base / place}"
    if parameter.name == "queries_vectors":
        return str(base / text)
    # the name of a model or dataset is a folder if one exists, as on the command line
    if parameter.name in ARGUMENTS and (text.startswith(".") or (base / text).is_dir()) and str(base) != ".":
        return str(base / text)
    return text


def shareable(content: Any) -> Any:
    """The content as a run may store it: addresses lose their passwords."""
    if isinstance(content, Mapping):
        return {key: shareable(value) for key, value in content.items()}
    if isinstance(content, list):
        return [shareable(value) for value in content]
    return without_secrets(content) if isinstance(content, str) else content


def _store(text: str) -> VectorStore | None:
    """The kind of store that `lancedb:PATH/TABLE` is in; None for anything else."""
    if ":" not in text:
        return None
    from embgeo.sources.vector_stores import vector_stores

    return vector_stores().get(text.partition(":")[0])


def shown(value: Any) -> str:
    """A value of the file in a message, shortened and without passwords."""
    text = repr(shareable(value))
    return text if len(text) <= 60 else text[:59] + "…"
