"""The options that commands share, declared once and handed over as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from embgeo.cli.configuration import config_option, settle, used
from embgeo.writable import check_writable_file

if TYPE_CHECKING:
    from embgeo.cli.output import Output

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)


@dataclass(frozen=True)
class Common:
    """What `analyze` and `compress` both take.

    `library` are arguments of the functions in `embgeo.api` under their own names; `encoder` are fields of
    EncoderOptions that the user set.
    """

    library: dict[str, Any]
    encoder: dict[str, Any]
    html: Path | None
    no_html: bool
    output: Output
    config: dict[str, Any] | None = None

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for `embgeo.api.analyze` and `compress`."""
        from embgeo.encoders.encoder import EncoderOptions

        encoder = EncoderOptions(device=self.library["device"], **self.encoder)
        return {**self.library, "encoder": encoder, **kept_config(self.config)}


def kept_config(config: dict[str, Any] | None) -> dict[str, Any]:
    """The argument that writes the configuration file into a run, where there is one."""
    return {} if config is None else {"config": config}


def stacked(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Apply click decorators so that the help lists them in the order written."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    state = ctx.find_root().obj
    if value and state is not None:
        state.debug = True
    return value


json_option = click.option(
    "--json",
    "json_target",
    metavar="FILE|-",
    help="Also write the result as JSON; `-`: to stdout, all text to stderr.",
)
verbosity_flags = stacked(
    click.option("--quiet", "-q", is_flag=True, help="Print errors only (and what --json - asks for)."),
    click.option("--verbose", "-v", is_flag=True, help="More detail: the library's log, every finished stage."),
    click.option(
        "--debug", is_flag=True, callback=_set_debug, help="As --verbose, with debug messages and tracebacks."
    ),
)
out_option = click.option(
    "--out", type=FILE, default=Path("embgeo-runs"), show_default=True, envvar="EMBGEO_OUT", show_envvar=True,
    help="Where run folders are, and the progress log of long work.",
)  # fmt: skip
find_option = click.option(
    "--out", type=FILE, default=Path("embgeo-runs"), show_default=True, envvar="EMBGEO_OUT", show_envvar=True,
    help="Where RUN is looked up by name or id.",
)  # fmt: skip
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", envvar="EMBGEO_THREADS", show_envvar=True,
    help="CPU threads; all by default.",
)  # fmt: skip
device_options = stacked(
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        envvar="EMBGEO_DEVICE",
        show_envvar=True,
        help="Where to compute; auto uses a CUDA device if there is one.",
    ),
    threads_option,
)
_compute_options = stacked(
    click.option(
        "--queries-vectors",
        type=FILE,
        metavar="PATH",
        help="Query vectors (.npy, .npz, .safetensors) to go with vectors:PATH.",
    ),
    click.option(
        "--similarity",
        type=click.Choice(["auto", "cosine", "dot", "euclidean"]),
        default="auto",
        show_default=True,
        help="Similarity for search; auto takes the model's own, cosine for bare vectors.",
    ),
    click.option("--split", default="test", show_default=True, help="Which judgements of the dataset to use."),
    click.option(
        "--drop-own-document", is_flag=True, help="Exclude the document that has the query's id from its results."
    ),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random choice."
    ),
    device_options,
)
_encoder_options = stacked(
    click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Texts per batch when encoding."),
    click.option(
        "--truncate-dim", type=click.IntRange(min=1), metavar="N", help="Keep the model's first N dimensions."
    ),
    click.option("--max-length", type=click.IntRange(min=1), metavar="N", help="Truncate texts after N tokens."),
    click.option("--revision", help="Revision of a hub model."),
    click.option("--query-prompt", metavar="TEXT", help="Text prepended to every query."),
    click.option("--document-prompt", metavar="TEXT", help="Text prepended to every document."),
    click.option("--dtype", type=click.Choice(["float32", "float16", "bfloat16"]), help="Precision of the weights."),
    click.option("--trust-remote-code", is_flag=True, help="Run model-supplied code (off by default)."),
)
_output_options = stacked(
    out_option,
    json_option,
    click.option("--html", type=FILE, metavar="FILE", help="Also copy the HTML report to FILE."),
    click.option("--no-html", is_flag=True, help="Do not write a report."),
    verbosity_flags,
)
ENCODER_NAMES = (
    "batch_size", "truncate_dim", "max_length", "revision", "query_prompt", "document_prompt", "dtype",
    "trust_remote_code",
)  # fmt: skip
LIBRARY_NAMES = (
    "queries_vectors", "similarity", "split", "drop_own_document", "seed", "device", "threads", "out",
)  # fmt: skip


EXCLUSIVE = (("html", "no_html"), ("specs", "exhaustive", "grid"), ("query", "vector"))
VOICES = (("quiet", "verbose"), ("quiet", "debug"))


def with_output(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options --json, --quiet, --verbose, --debug, handed over as `output`."""

    @functools.wraps(function)
    def call(**options: Any) -> Any:
        output = _take_output(options)
        with output.configured():
            return function(output=output, **options)

    return stacked(json_option, verbosity_flags)(call)


def with_common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Everything `analyze` and `compress` share, handed over as `common`."""

    @functools.wraps(function)
    def call(**options: Any) -> Any:
        output = _take_output(options)
        library = {name: options.pop(name) for name in LIBRARY_NAMES}
        given = {name: options.pop(name) for name in ENCODER_NAMES}
        encoder = {name: value for name, value in given.items() if value not in (None, False)}
        config = used(click.get_current_context())
        common = Common(library, encoder, options.pop("html"), options.pop("no_html"), output, config)
        check_html(common.html, common.no_html)
        with output.configured():
            return function(common=common, **options)

    return stacked(config_option, _compute_options, _encoder_options, _output_options)(call)


def check_html(html: Path | None, no_html: bool) -> None:
    """Refuse --html with --no-html, and a file that cannot be written, before the work."""
    if html is not None and no_html:
        raise click.UsageError("--html and --no-html exclude each other; give one of them")
    if html is not None:
        check_writable_file(html, "--html")


def _take_output(options: dict[str, Any]) -> Output:
    """The output that the options ask for, which are taken out of them; what a file says gives way to flags."""
    from embgeo.cli.output import Output

    settle(click.get_current_context(), options, *EXCLUSIVE, *VOICES)
    if options["json_target"] not in (None, "-"):
        check_writable_file(Path(options["json_target"]), "--json")
    return Output(*(options.pop(name) for name in ("json_target", "quiet", "verbose", "debug")))
