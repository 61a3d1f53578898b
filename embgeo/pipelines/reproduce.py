"""reproduce: published numbers computed again, entry by entry."""

from __future__ import annotations

from embgeo.environment import environment
from embgeo.errors import InputError
from embgeo.progress import Progress, silent
from embgeo.reproductions.registry import select
from embgeo.requests import ReproduceRequest
from embgeo.results.reproduce import ReproduceResult, Reproduction
from embgeo.run import Run, save_run
from embgeo.threads import limited_threads
from embgeo.writable import check_writable_folder


def reproduce(request: ReproduceRequest, progress: Progress = silent) -> Run:
    """Run the entries of the request and store what was published beside what was measured.

    What is not on the machine is named in the reason of an entry; nothing is downloaded.
    Raises the errors of `embgeo.errors`: a name that is unknown, or a folder that does not exist.
    """
    check_writable_folder(request.out, "--out")
    if request.data is not None and not request.data.is_dir():
        named = select(request.names) if request.names else []
        needed = "; ".join(f"{entry.name} {entry.missing(request.data)}" for entry in named if entry.needs)
        told = needed or "--list says what belongs there, and where it comes from"
        raise InputError(f"--data must name a folder; {request.data} is none. {told}")
    names, data = list(request.names or ()), request.data and str(request.data)
    chosen, found = select(names, request.slow), list[Reproduction]()
    with limited_threads(request.threads) as threads:
        for done, entry in enumerate(chosen):
            progress(f"reproductions: {entry.name}", done, len(chosen))
            found.append(entry.run(request.data))
        progress("reproductions", len(chosen), len(chosen))
        result = ReproduceResult(
            command="reproduce",
            request={"names": names, "slow": request.slow, "data": data},
            config=None if request.config is None else dict(request.config),
            environment=environment(threads),
            reproductions=found,
        )
    return save_run(request.out, result.to_json())
