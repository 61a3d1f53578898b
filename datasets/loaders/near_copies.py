"""Texts that are nearly the same: revisions, translations of a template, pages that differ by a date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ALIKE = 0.8  # Jaccard similarity of the sets of three words in a row
CANDIDATES = 0.6  # that the hashes aim at; their errors then lose few pairs of `ALIKE`
PERMUTATIONS = 128
MAX_TEXTS = 20_000  # some 14 s


def near_copies(texts: Sequence[str]) -> list[tuple[int, int]] | None:
    """Pairs (row, later row) of texts that differ but share at least .8 of their three-word sequences (Jaccard).

    Candidates come from MinHash with locality-sensitive hashing, and each is checked exactly: a pair may be missed,
    none is wrong. None if datasketch (embgeo[near-copies]) is missing or there are over 20,000 texts. Cost: 0.7 ms a
    text of 200 words. Source: Broder 1997; datasketch.
    """
    if len(texts) > MAX_TEXTS:
        return None
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        return None
    shingles = [_shingles(text) for text in texts]
    index = MinHashLSH(threshold=CANDIDATES, num_perm=PERMUTATIONS)
    pairs = []
    hashes = MinHash.bulk([sorted(each) for each in shingles], num_perm=PERMUTATIONS)
    for row, each in enumerate(hashes):
        for other in index.query(each):
            shared = len(shingles[row] & shingles[other])
            alike = shared / max(1, len(shingles[row]) + len(shingles[other]) - shared)
            if alike >= ALIKE and texts[row] != texts[other]:
                pairs.append((other, row))
        index.insert(row, each)
    return sorted(pairs)


def near_copy_warnings(
    doc_ids: Sequence[str], texts: Sequence[str] | None, qrels: Mapping[str, Mapping[str, int]]
) -> list[str]:
    """How many documents nearly repeat another, and how many queries have one judged relevant and its copy not."""
    pairs = [] if texts is None else near_copies(texts) or []
    if not pairs:
        return []
    copies = len({row for pair in pairs for row in pair})
    other: dict[str, set[str]] = {}
    for pair in pairs:
        first, second = (doc_ids[row] for row in pair)
        other.setdefault(first, set()).add(second)
        other.setdefault(second, set()).add(first)
    torn = sum(
        any(grade > 0 and any(judged.get(copy, 0) <= 0 for copy in other.get(doc, ())) for doc, grade in judged.items())
        for judged in qrels.values()
    )
    share = f"{copies:,} of {len(doc_ids):,} documents ({copies / len(doc_ids):.1%}) are near copies of another"
    affected = f"; {torn} queries have one judged relevant and the other not, which counts as wrong" if torn else ""
    return [
        f"{share}, the first {doc_ids[pairs[0][0]]!r} of {doc_ids[pairs[0][1]]!r} (Jaccard similarity of three-word "
        f"sequences at least {ALIKE}){affected}. Keep one of each, or judge them alike"
    ]


def _shingles(text: str) -> set[bytes]:
    """The sequences of three words, or the text if it is shorter."""
    words = text.casefold().split()
    return {" ".join(words[at : at + 3]).encode("utf-8", "replace") for at in range(max(1, len(words) - 2))}
