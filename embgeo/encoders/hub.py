"""The only place that checks whether the model hub can be reached, within a time limit.

The hub's own client retries each file for half a minute, more than a minute for a model, before it gives up. So one
small request is sent first, in its own thread, and abandoned after `HUB_SECONDS`.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from embgeo.errors import HubError, UnknownNameError

HUB_SECONDS = 6.0
WHAT_TO_DO = "Use a local model folder, `minilm` (packaged) or vectors:PATH."
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class HubAnswer:
    """What the hub, or its local cache if the hub cannot be reached, says about a repository.

    `commit` is the commit of the revision; `offline` says that it must be loaded from the local cache.
    """

    commit: str | None
    offline: bool


def ask_hub(name: str, revision: str | None = None, hint: str = "") -> HubAnswer:
    """Find a model repository on the hub, or in the local hub cache if the hub does not answer.

    Raises
    ------
    HubError
        The hub cannot be reached and the cache has no copy; or the model is gated or lacks the revision.
    UnknownNameError
        The hub answers that it has no such model.
    """
    from huggingface_hub import HfApi, constants, errors

    if not constants.HF_HUB_OFFLINE:
        try:
            api = HfApi(endpoint=constants.ENDPOINT)
            commit = _bounded(lambda: api.model_info(name, revision=revision, timeout=HUB_SECONDS / 2).sha)
            return HubAnswer(commit, offline=False)
        except errors.GatedRepoError:
            raise HubError(f"model {name!r} is gated: accept its terms on {constants.ENDPOINT} and log in") from None
        except errors.RevisionNotFoundError:
            raise HubError(f"the hub has {name!r} but no revision {revision!r} of it") from None
        except errors.RepositoryNotFoundError:
            raise UnknownNameError(f"the hub has no public model {name!r}.{hint} {WHAT_TO_DO}") from None
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0].strip().rstrip(".:")
    else:
        reason = "HF_HUB_OFFLINE is set"
    cached = cached_folder(name, revision)
    if cached is not None:
        return HubAnswer(cached.name, offline=True)
    raise HubError(
        f"model {name!r} is not on this machine, and the hub at {constants.ENDPOINT} could not be reached "
        f"({reason}).{hint} {WHAT_TO_DO}"
    )


def cached_folder(name: str, revision: str | None) -> Path | None:
    """The folder of a model in the local hub cache, or None; makes no network request."""
    from huggingface_hub import try_to_load_from_cache

    for file in ("config.json", "modules.json"):
        found = try_to_load_from_cache(name, file, revision=revision)
        if isinstance(found, str):
            return Path(found).parent
    return None


def hub_answers() -> bool:
    """Whether the hub answers at all, through the configured proxies; one try."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        _bounded(lambda: get_session().head(constants.ENDPOINT, timeout=HUB_SECONDS / 2))
    except Exception:  # whichever HTTP library the installed version uses
        return False
    return True


@contextlib.contextmanager
def hub_offline(on: bool = True) -> Iterator[None]:
    """Make the hub's libraries use only their cache, if `on`; otherwise each retries for over 20 seconds."""
    from huggingface_hub import constants

    # `datasets` copies the switch when it is imported
    loaded: list[Any] = [constants, *filter(None, [sys.modules.get("datasets.config")])] if on else []
    before = [module.HF_HUB_OFFLINE for module in loaded]
    for module in loaded:
        module.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for module, was in zip(loaded, before, strict=True):
            module.HF_HUB_OFFLINE = was


def _bounded(request: Callable[[], Answer]) -> Answer:
    """The result of a request within `HUB_SECONDS`; in a thread, since name resolution has no timeout."""
    answers: queue.Queue[Answer | Exception] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(request())
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, name="embgeo-hub", daemon=True).start()
    try:
        answer = answers.get(timeout=HUB_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"no answer within {HUB_SECONDS:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
