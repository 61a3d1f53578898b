"""The options that commands share, and options made from the fields of a request."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from embgeo.cli import completion
from embgeo.cli.configuration import Names, config_option, drop_overridden, used
from embgeo.requests import CompareRequest, EncoderOptions, ReproduceRequest, SubjectRequest, options_of
from embgeo.writable import check_writable_file

if TYPE_CHECKING:
    from embgeo.cli.output import Output

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
EXCLUSIVE = (("html", "no_html"), ("specs", "exhaustive", "grid"), ("query", "vector"))
VERBOSITY = (("quiet", "verbose"), ("quiet", "debug"))


@dataclass(frozen=True)
class Common:
    """Where a command writes its result besides the run folder."""

    output: Output
    html: Path | None
    no_html: bool

    @classmethod
    def popped_from(cls, options: dict[str, Any]) -> Common:
        """Pop the output options; impossible ones are refused before any work is done."""
        common = cls(_pop_output(options), options.pop("html"), options.pop("no_html"))
        if common.html is not None and common.no_html:
            raise click.UsageError("--html and --no-html cannot be combined; give one of them")
        if common.html is not None:
            check_writable_file(common.html, "--html")
        return common


def stacked(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Apply click decorators so that the help lists them in the order written."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def option_for(one: Field[Any], *, default: bool = True) -> Callable[[F], F]:
    """The command-line option for a field of a request; without `default`, an omitted option is None."""
    shown, kind = one.metadata, str(one.type).partition(" |")[0]
    keywords: dict[str, Any] = {name: shown[name] for name in ("help", "metavar") if name in shown}
    if "environment" in shown:
        keywords |= {"envvar": shown["environment"], "show_envvar": True}
    if one.name in COMPLETIONS:
        keywords["shell_complete"] = COMPLETIONS[one.name]
    if kind == "bool":
        keywords["is_flag"] = True
    elif kind.startswith("list") and "separator" not in shown:
        keywords["multiple"] = True
    else:
        keywords["type"] = _type(one, kind)
        if default and one.default is not None:
            keywords |= {"default": one.default, "show_default": True}
    flag = shown["flag"] if "flag" in shown else f"--{one.name.replace('_', '-')}"
    return click.option(flag, one.name, **keywords)


COMPLETIONS = {
    "queries_vectors": completion.query_vectors,
    "specs": completion.specs,
    "measures": completion.measures,
    "targets": completion.targets,
}


def _type(one: Field[Any], kind: str) -> Any:
    shown = one.metadata
    if "choices" in shown:
        return click.Choice(shown["choices"])
    if "minimum" in shown:
        return click.IntRange(min=shown["minimum"])
    if "separator" in shown:
        return Names(shown["separator"])
    return {"str": str, "float": float, "Path": FILE}[kind]


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    state = ctx.find_root().obj
    if value and state is not None:
        state.debug = True
    return value


json_option = click.option(
    "--json",
    "json_target",
    metavar="FILE|-",
    help="Also write the result as JSON; with `-`, JSON goes to stdout and all text to stderr.",
)
verbosity_flags = stacked(
    click.option("--quiet", "-q", is_flag=True, help="Print only errors, and JSON with --json -."),
    click.option("--verbose", "-v", is_flag=True, help="Also print the library's log and every finished stage."),
    click.option(
        "--debug", is_flag=True, callback=_set_debug, help="Like --verbose, plus debug messages and tracebacks."
    ),
)
html_options = stacked(
    click.option("--html", type=FILE, metavar="FILE", help="Also copy the HTML report to FILE."),
    click.option("--no-html", is_flag=True, help="Do not write a report."),
)
SHARED = {one.name: one for one in options_of(SubjectRequest)}
out_option, threads_option = option_for(SHARED["out"]), option_for(SHARED["threads"])
device_options = stacked(option_for(SHARED["device"]), threads_option)
find_option = click.option(
    "--out",
    type=FILE,
    default=Path("embgeo-runs"),
    show_default=True,
    envvar="EMBGEO_OUT",
    show_envvar=True,
    help="Folder in which RUN is looked up by name or id.",
)
ENCODER = [one for one in fields(EncoderOptions) if "help" in one.metadata]


def with_output(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options --json, --quiet, --verbose, --debug, passed as `output`."""

    @functools.wraps(function)
    def call(**options: Any) -> Any:
        output = _pop_output(options)
        with output.configured():
            return function(output=output, **options)

    return stacked(json_option, verbosity_flags)(call)


def with_compare_request(function: Callable[..., Any]) -> Callable[..., Any]:
    """RUN… and the options of a comparison, passed as `request` and `common`."""
    declared = {one.name: one for one in options_of(CompareRequest)} | SHARED
    own = [
        option_for(declared[name]) for name in ("vectors", "price_per_gb", "documents", "seed", "fail_if", "threads")
    ]
    return stacked(
        click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True, shell_complete=completion.runs),
        *own,
        config_option,
        out_option,
        html_options,
        json_option,
        verbosity_flags,
    )(_passing_request(CompareRequest, function))


def with_reproduce_request(function: Callable[..., Any]) -> Callable[..., Any]:
    """NAME… and the options of a reproduction, passed as `request` and `common`."""
    return stacked(
        click.argument("names", metavar="[NAME...]", nargs=-1, shell_complete=completion.reproductions),
        *(option_for(one) for one in options_of(ReproduceRequest) if "help" in one.metadata),
        threads_option,
        config_option,
        out_option,
        html_options,
        json_option,
        verbosity_flags,
    )(_passing_request(ReproduceRequest, function))


def with_request(kind: type[SubjectRequest], *more: Callable[[F], F]) -> Callable[[Callable[..., Any]], Any]:
    """MODEL, DATASET and the options of a request, passed as `request` and `common`.

    `more` are options of this command only, listed after the request's own.
    """
    own = [option_for(one) for one in options_of(kind)]

    def decorate(function: Callable[..., Any]) -> Any:
        return stacked(
            click.argument("model", shell_complete=completion.models),
            click.argument("dataset", required=False, shell_complete=completion.datasets),
            *own,
            *more,
            config_option,
            *_shared_options(),
            json_option,
            html_options,
            verbosity_flags,
        )(_passing_request(kind, function))

    return decorate


def _passing_request(kind: type[Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, called with the request made from the options, the output options and the remaining options."""

    @functools.wraps(function)
    def call(**options: Any) -> Any:
        common = Common.popped_from(options)
        request = pop_request(kind, options, used(click.get_current_context()))
        with common.output.configured():
            return function(request=request, common=common, **options)

    return call


def _shared_options() -> Iterator[Callable[[F], F]]:
    """The options of every request; the field `encoder` is replaced by its own options."""
    for one in SHARED.values():
        if one.name == "encoder":
            yield from (option_for(each, default=False) for each in ENCODER)
        elif "help" in one.metadata:
            yield option_for(one)


def pop_request(kind: type[Any], options: dict[str, Any], config: Any) -> Any:
    """Pop the options of the request and build it; `config` is where they came from."""
    asked = _pop(options, (one.name for one in fields(kind)))
    asked = {name: list(value) or None if isinstance(value, tuple) else value for name, value in asked.items()}
    if issubclass(kind, SubjectRequest):
        given = _pop(options, (one.name for one in ENCODER))
        encoder = {name: value for name, value in given.items() if value not in (None, False)}
        asked["encoder"] = EncoderOptions(device=asked["device"], **encoder)
    return kind(**asked, config=config)


def _pop(options: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: options.pop(name) for name in names if name in options}


def _pop_output(options: dict[str, Any]) -> Output:
    """Pop the output options; flags override the configuration file."""
    from embgeo.cli.output import Output

    drop_overridden(click.get_current_context(), options, *EXCLUSIVE, *VERBOSITY)
    if options["json_target"] not in (None, "-"):
        check_writable_file(Path(options["json_target"]), "--json")
    return Output(*(options.pop(name) for name in ("json_target", "quiet", "verbose", "debug")))
