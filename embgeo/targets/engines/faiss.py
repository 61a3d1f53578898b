"""A collection of vectors in a FAISS index file: read back, searched, added to.

Needs NumPy and FAISS ("faiss-cpu"). A kit that embgeo writes holds a copy of this file.

embgeo writes the index whole, with the codes, matrices and codebooks that were fitted, and `adopt` takes it for its
own. FAISS numbers rows 0, 1, 2, …; the id of row i is the i-th in a JSON file beside it, which also keeps the marker.
Both files are replaced whole, the ids first, so that an id without a vector is all that an interruption leaves; such
ids are passed over.

`config` holds: `width` of the vectors that FAISS is given, before its own transforms; `metric` (ip or l2); `kind`, the
classes from the outside in; `code_bytes` of a vector; `index` ("", hnsw or ivf), its `parts` (links or lists) and its
`effort` (efSearch or nprobe), which the file keeps, so that a search without options is the one configured; and
`adds`, whether FAISS itself encodes new vectors as embgeo does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

NEEDS = "faiss-cpu"  # what pip installs, besides numpy

NUMBERS = {"hnsw": ("links", "efSearch"), "ivf": ("lists", "nprobe")}


def native(config: dict[str, Any], name: str = "documents") -> str:
    """The lines that read and search the index."""
    said = f"{config['kind']}, {config['code_bytes']} bytes a vector, {config['metric']}"
    if config["index"]:
        parts, effort = NUMBERS[config["index"]]
        said = f"{config['index']} of {config['parts']} {parts}, {effort} {config['effort']}, over {said}"
    read = f'{name} = faiss.read_index("index.faiss")  # {said}'
    return f"{read}\n{name}.search(Q, 10)  # Q: (n, {config['width']}) float32"


class Store:
    """The index file at `place`, which holds the one collection `name`; ids and marker are in `place`.json."""

    def __init__(self, place: str, name: str, config: dict[str, Any]) -> None:
        self.place, self.name, self.config = place, name, config
        self.ids: list[str] = []
        self.marked: str | None = None
        self.changed = False
        self.index: Any = None

    def __enter__(self) -> Store:
        import faiss

        self.faiss: Any = faiss
        if os.path.exists(self.place):
            self.marked = ""
        if os.path.exists(f"{self.place}.json"):
            with open(f"{self.place}.json", encoding="utf-8") as file:
                beside = json.load(file)
            if beside["name"] != self.name:
                raise RuntimeError(
                    f"{self.place} holds the collection {beside['name']}, and a file holds one; choose another path"
                )
            self.marked, self.ids = beside["marker"], beside["ids"]
        return self

    def __exit__(self, *error: object) -> None:
        self.index = None

    def _open(self) -> Any:
        """The index, read when it is first needed."""
        if self.index is None:
            if not os.path.exists(self.place):
                raise RuntimeError(f"there is no index at {self.place}; embgeo deploy writes it")
            self.index = self.faiss.read_index(self.place)
            if self.index.ntotal > len(self.ids):
                raise RuntimeError(
                    f"{self.place} has {self.index.ntotal} vectors and only {len(self.ids)} ids, so that it is another "
                    "file than was written here; embgeo deploy --replace writes it again"
                )
            del self.ids[self.index.ntotal :]
        return self.index

    def marker(self) -> str | None:
        return self.marked

    def create(self, marker: str) -> None:
        if os.path.exists(self.place):
            raise RuntimeError(f"{self.place} exists; choose another path")
        self.marked, self.ids = marker, []
        self._save_ids()

    def adopt(self, path: str, ids: Sequence[str]) -> None:
        """Takes the index file at `path`, whose row i is `ids`[i], to `place`."""
        self.ids, self.index = list(ids), None
        self._save_ids()
        os.replace(path, self.place)

    def count(self) -> int:
        if not os.path.exists(self.place):
            return 0
        return int(self._open().ntotal)

    def load(self, ids: Sequence[str], X: np.ndarray) -> None:
        index, X = self._open(), np.ascontiguousarray(X, np.float32)
        if not self.config["adds"]:
            raise RuntimeError(
                f"FAISS does not encode vectors of {self._kind()} as embgeo does; write the index again with all "
                "documents, by embgeo deploy"
            )
        row_of = {name: row for row, name in enumerate(self.ids)}
        rows = np.array([row_of.get(name, -1) for name in ids])
        there = rows >= 0
        if there.any():
            if self.config["index"]:
                raise RuntimeError(
                    f"{there.sum()} of the ids are there, and FAISS replaces no vector of a graph or list"
                )
            inner = self._inner()
            codes = self.faiss.rev_swig_ptr(inner.codes.data(), inner.codes.size()).reshape(-1, inner.code_size)
            codes[rows[there]] = index.sa_encode(X[there])
        if not there.all():
            index.add(X[~there])
            self.ids += [name for name, old in zip(ids, there, strict=True) if not old]
        self.changed = True

    def finish(self, timeout: float = 3600) -> None:
        if self.changed:
            self._save_ids()
            with _replaced(self.place) as path:
                self.faiss.write_index(self.index, path)
            self.changed = False

    def _save_ids(self) -> None:
        text = json.dumps({"name": self.name, "marker": self.marked, "ids": self.ids})
        with _replaced(f"{self.place}.json") as path, open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def _inner(self) -> Any:
        """The index behind the transforms."""
        index = self._open()
        return self.faiss.downcast_index(index.index) if isinstance(index, self.faiss.IndexPreTransform) else index

    def _codes(self) -> Any:
        """The index that holds the codes."""
        inner = self._inner()
        return self.faiss.downcast_index(inner.storage) if self.config["index"] == "hnsw" else inner

    def _kind(self) -> str:
        """The classes from the outside in, without those of links or lists."""
        kind = type(self._codes()).__name__.replace("IndexIVF", "Index")
        kind = "IndexFlat" if kind in ("IndexFlatIP", "IndexFlatL2") else kind
        return f"IndexPreTransform({kind})" if self._inner() is not self.index else kind

    def read_back(self) -> dict[str, Any]:
        inner, codes = self._inner(), self._codes()
        links = isinstance(inner, self.faiss.IndexHNSW)
        lists = isinstance(inner, self.faiss.IndexIVF)
        back = {
            "rows": int(self.index.ntotal),
            "version": f"faiss {self.faiss.__version__}",
            "width": int(self.index.d),
            "metric": "l2" if self.index.metric_type == self.faiss.METRIC_L2 else "ip",
            "kind": self._kind(),
            "code_bytes": int(codes.code_size),
            "index": "hnsw" if links else "ivf" if lists else "",
        }
        if links:
            back |= {"parts": int(inner.hnsw.nb_neighbors(1)), "effort": int(inner.hnsw.efSearch)}
        return back | ({"parts": int(inner.nlist), "effort": int(inner.nprobe)} if lists else {})

    def search(self, q: np.ndarray, k: int, mode: str = "configured") -> list[tuple[str, float]]:
        Q = np.ascontiguousarray(q[None], np.float32)
        scores, rows = self._of_all_codes(Q, k) if mode == "codes" else self._open().search(Q, k)
        sign = -1.0 if self.index.metric_type == self.faiss.METRIC_L2 else 1.0
        return [(self.ids[row], sign * float(score)) for row, score in zip(rows[0], scores[0], strict=True) if row >= 0]

    def _of_all_codes(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """A search without links, or of all lists."""
        inner = self._inner()
        if not self.config["index"]:
            return self.index.search(Q, k)
        if self.index is not inner:
            chain = self.index.chain
            for number in range(chain.size()):
                Q = self.faiss.downcast_VectorTransform(chain.at(number)).apply(Q)
        if self.config["index"] == "hnsw":
            return self._codes().search(Q, k)
        return inner.search(Q, k, params=self.faiss.SearchParametersIVF(nprobe=inner.nlist))

    def sizes(self) -> dict[str, int]:
        """Codes, links or lists as FAISS counts them; the rest of the file is matrices, codebooks and headers."""
        whole, inner = os.path.getsize(self.place), self._inner()
        codes, links = int(self.index.ntotal * self._codes().code_size), 0
        if self.config["index"] == "hnsw":
            graph = inner.hnsw
            links = 4 * graph.neighbors.size() + 8 * graph.offsets.size() + 4 * graph.levels.size()
        elif self.config["index"]:
            links = 8 * int(self.index.ntotal)
        ids = os.path.getsize(f"{self.place}.json")
        return {"codes": codes, "links or lists": links, "constants": whole - codes - links, "ids": ids}

    def drop(self) -> None:
        self.index = None
        for path in (self.place, f"{self.place}.json"):
            with suppress(FileNotFoundError):
                os.remove(path)
        self.marked, self.ids, self.changed = None, [], False


@contextmanager
def _replaced(path: str) -> Iterator[str]:
    """The path of a new file that takes the place of `path` when it is whole."""
    new = f"{path}.{os.getpid()}.new"
    try:
        yield new
        os.replace(new, path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(new)
