"""Keeping other libraries' bars and warnings off the terminal: embgeo reports through its own progress callback."""

from __future__ import annotations

import contextlib
import functools
import logging
import warnings
from collections.abc import Iterator

logger = logging.getLogger("embgeo")


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """No weight-loading bar, and warnings go to the log; hub downloads keep their own bar, they can take minutes."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(record=True) as caught:
            yield
        for warning in caught:
            logger.debug("while loading: %s", warning.message)
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


@contextlib.contextmanager
def quiet_encoding() -> Iterator[None]:
    """No warnings, and no tqdm bars from wrappers that draw one per batch whatever they are told."""
    from tqdm.std import tqdm  # type: ignore[import-untyped]

    drawn = tqdm.__init__
    tqdm.__init__ = functools.partialmethod(drawn, disable=True)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        tqdm.__init__ = drawn
