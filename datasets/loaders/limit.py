"""`limit:N`: documents of a sentence each, and queries whose answers combine them in a chosen pattern.

Trivial for words, hard for single vectors: "NAME likes A, B, …" answers "Who likes A?". The construction is that of
Weller et al. 2025 (LIMIT), with words of embgeo's own; `limit:46` has the size of LIMIT-small.
"""

from __future__ import annotations

import math
import random
import re
from itertools import combinations, islice, product

from embgeo.datasets.checks import build_dataset
from embgeo.datasets.dataset import Dataset, Origin
from embgeo.errors import DataError

PREFIX = "limit:"
NAME = re.compile(r"limit:(\d+)(?:,k=(\d+))?(?:,graph=(dense|random|cycle|disjoint))?(?:,queries=(\d+))?")
LIKES = 50  # of a document, unless its queries need more
GIVEN = "Ada Bela Cleo Dario Edda Finn Gita Hugo Ines Jonas Kira Leon Mila Nils Olga Pavel Rosa Sven Tara Yusuf"
FAMILY = "Abel Brook Castel Dorn Ekdal Falk Gruber Holm Ivers Koval Lund Moreau Novak Orban Petri Quist Rossi Stahl"
KINDS = (
    "red blue green old small wild dried quiet round heavy folded northern painted sweet wooden early hollow striped "
    "salted frozen woven silver spotted bitter distant rusty paper crooked velvet broken"
)
THINGS = (
    "lamps boats apples drums maps foxes towers spoons rivers chairs songs beetles kites stamps bridges onions clocks "
    "gloves pianos stones ferns trains masks bells lemons wolves carpets engines pears ladders owls ovens shells tents "
    "tulips violins wells roofs buttons candles deserts flutes geese hats islands jars kettles mirrors nets orchards"
)
PEOPLE = 100_000


def load_limit(name: str, drop_own_document: bool = False) -> Dataset:
    """`limit:DOCUMENTS[,k=2][,graph=dense][,queries=1000]`: the same texts for the same name.

    `k` documents are relevant to a query. By graph: dense, all k-subsets of as few documents as give that many queries,
    the rest distractors; random, k of all documents; cycle, k neighbours in a circle; disjoint, no document twice.
    """
    found = NAME.fullmatch(name)
    if found is None:
        raise DataError(f"use limit:DOCUMENTS[,k=K][,graph=dense|random|cycle|disjoint][,queries=Q]; got {name!r}")
    n, k, graph, most = int(found[1]), int(found[2] or 2), found[3] or "dense", int(found[4] or 1000)
    rng = random.Random(0)
    likes = [f"{kind} {thing}" for kind, thing in product(KINDS.split(), THINGS.split())]
    rng.shuffle(likes)
    if not (0 < k < n <= PEOPLE and 0 < most <= len(likes) - LIKES):
        raise DataError(f"{name}: needs 0 < k < documents ≤ {PEOPLE} and 0 < queries ≤ {len(likes) - LIKES}")
    sets = _sets(n, k, graph, most, rng)
    own: list[list[str]] = [[] for _ in range(n)]
    for like, docs in zip(likes, sets, strict=False):
        for doc in docs:
            own[doc].append(like)
    names = [f"{given} {family}" for given, family in product(GIVEN.split(), FAMILY.split())]
    documents = []
    for doc, needed in enumerate(own):
        listed = needed + rng.sample(likes[len(sets) :], max(0, LIKES - len(needed)))
        rng.shuffle(listed)
        turn, place = divmod(doc, len(names))
        person = names[place] + (f" {turn + 1}" if turn else "")
        documents.append((person, f"{person} likes {', '.join(listed)}."))
    queries = [(f"query_{at}", f"Who likes {likes[at]}?") for at in range(len(sets))]
    qrels = {f"query_{at}": {documents[doc][0]: 1 for doc in docs} for at, docs in enumerate(sets)}
    origin = Origin({"graph": graph}, judgements=name)
    return build_dataset(name, documents, queries, qrels, origin, drop_own_document)


def _sets(n: int, k: int, graph: str, most: int, rng: random.Random) -> list[tuple[int, ...]]:
    """The relevant documents of each query."""
    if graph == "dense":
        core = next((size for size in range(k + 1, n) if math.comb(size, k) >= most), n)
        return list(islice(combinations(range(core), k), most))
    if graph == "random":
        return [tuple(rng.sample(range(n), k)) for _ in range(most)]
    if graph == "cycle":
        return [tuple((at + step) % n for step in range(k)) for at in range(min(n, most))]
    return [tuple(range(at * k, at * k + k)) for at in range(min(n // k, most))]
