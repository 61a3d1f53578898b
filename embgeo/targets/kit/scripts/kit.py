"""The parts of this kit: configuration, projection, and the collection. Needs NumPy and the store's client."""

import argparse
import json
import os

import numpy as np
import vectors
from store import Store

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "config.json"), encoding="utf-8") as file:
    CONFIG = json.load(file)
CLIENT = np.load(os.path.join(HERE, "client.npz"))
CHECK = np.load(os.path.join(HERE, "check.npz"))
MARKER = json.dumps(CONFIG["marker"])


def projected(X):
    """(n, d) vectors as the model gives them → (n, width) float32, as the store is given them."""
    return vectors.project(X, CLIENT)


def given(X):
    """(n, d) vectors as the projection is given them."""
    return vectors.project(X, {**CLIENT, "matrix": np.zeros((0, 0))})


def opened(place=None):
    """The collection at `place`, by default where it was deployed; the place of a file counts from this folder."""
    place = place or CONFIG["place"]
    return Store(place if "://" in place else os.path.join(HERE, place), CONFIG["name"], CONFIG["config"])


def arguments(text, *names, optional=False, **defaults):
    """The arguments of a script whose docstring is `text`."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in names:
        parser.add_argument(name, nargs="?" if optional else None)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--place", help="where the store is, if not where it was deployed")
    return parser.parse_args()
