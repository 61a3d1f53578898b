"""The parts of this kit: configuration, projection, and the collection. Needs NumPy and the store's client."""

import argparse
import json
import os
import sys

import numpy as np
import vectors
from store import Store

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "config.json"), encoding="utf-8") as file:
    CONFIG = json.load(file)
CLIENT = np.load(os.path.join(HERE, "client.npz"))
CHECK = np.load(os.path.join(HERE, "check.npz"))
MARKER = json.dumps(CONFIG["marker"])
FAILED = 2  # the exit code of everything but a check that ran


def projected(X):
    """(n, d) vectors as the model gives them → (n, width) float32, as the store is given them."""
    return vectors.project(X, CLIENT)


def given(X):
    """(n, d) vectors as the projection is given them."""
    return vectors.project(X, {**CLIENT, "matrix": np.zeros((0, 0))})


def opened(place=None):
    """The collection at `place`, by default where it was deployed; the place of a file counts from this folder."""
    place = place or CONFIG["place"]
    if "://" not in place:
        place = os.path.join(HERE, place)
        if not os.path.exists(place):
            raise RuntimeError(f"there is no store at {place}")
    return Store(place, CONFIG["name"], CONFIG["config"])


def found(store):
    """The open store, if it has the collection."""
    if store.marker() is None:
        raise RuntimeError(f"the store has no collection {CONFIG['name']}")
    return store


def lines(path, rows):
    """The ids in a file, one per line, as many as there are vectors."""
    with open(path, encoding="utf-8", newline="\n") as file:
        ids = file.read().removesuffix("\n").split("\n")
    if len(ids) != rows:
        raise ValueError(f"{path} has {len(ids)} ids; there are {rows} vectors")
    return ids


def run(main, text, *names, optional=False, **defaults):
    """Call `main(arguments)` and exit with what it returns; a failure is one line, and exit code 2."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in names:
        parser.add_argument(name, nargs="?" if optional else None)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--place", help="where the store is, if not where it was deployed")
    parser.add_argument("--traceback", action="store_true", help="show where a failure arose")
    asked = parser.parse_args()
    try:
        code = main(asked)
    except Exception as error:
        if asked.traceback:
            raise
        print(f"{parser.prog}: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        code = FAILED
    sys.exit(code)
