"""Add documents to the collection: python ingest.py VECTORS.npy IDS.txt [--place URL-or-PATH]

VECTORS.npy is (n, d) as the model gives them; IDS.txt has one id per line. An id that is already there is replaced.
Run it again after an interruption: every row is there once.
"""

import kit
import numpy as np

BLOCK = 1000


def main(asked):
    X = np.load(asked.vectors, mmap_mode="r")
    ids = kit.lines(asked.ids, len(X))
    with kit.opened(asked.place) as store:
        if store.marker() is None:
            store.create(kit.MARKER)
        for start in range(0, len(X), BLOCK):
            store.load(ids[start : start + BLOCK], kit.projected(X[start : start + BLOCK]))
            print(f"{min(start + BLOCK, len(X)):,} of {len(X):,}", flush=True)
        store.finish()
        print(f"{store.count():,} documents in {kit.CONFIG['name']}")


kit.run(main, __doc__, "vectors", "ids")
