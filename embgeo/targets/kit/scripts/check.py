"""Check the collection: python check.py [VECTORS.npy [IDS.txt]] [--place URL-or-PATH]

Measures recall@10 of the stored queries against the exact neighbours at the time of the fit. The exit code is 1 if it
is below the floor in config.json, 2 if nothing could be measured. Documents that were added since are passed over; of
documents that were deleted, the recall is missing.

VECTORS.npy, (n, d) as the model gives them, are newer documents. Their drift from those of the fit is printed beside
what 95 of 100 samples of as many documents of the fit stay below; it does not change the exit code. With IDS.txt, one
id per line, some of them are searched for: the exit code is 1 too if fewer of them find themselves than the floor says.
"""

import kit
import numpy as np
import vectors

SEARCHED = 200  # newer documents that are searched for


def main(asked):
    if asked.vectors:
        X = np.load(asked.vectors)
        Z = kit.projected(X)
        now, usual = vectors.drift(kit.CHECK, Z, kit.given(X)), vectors.usual_drift(kit.CHECK, len(Z))
        for name, value in now.items():
            said = "more than among documents of the fit" if value > usual[name] else "as among documents of the fit"
            print(f"drift {name}: {value:.4f}, usual up to {usual[name]:.4f}: {said}")
    with kit.opened(asked.place) as store:
        print(f"{kit.found(store).count():,} documents in {kit.CONFIG['name']}")
        queries = kit.projected(kit.CHECK["queries"])
        found = vectors.recall(store.search, queries, kit.CHECK["exact"].tolist(), kit.CHECK["known"])
        floor = kit.CONFIG["floor"]
        print(f"recall@10 {found:.4f}, floor {floor:.4f}")
        itself = 1.0
        if asked.ids:
            rows = np.linspace(0, len(X) - 1, min(len(X), SEARCHED)).round().astype(int)
            ids = kit.lines(asked.ids, len(X))
            itself = vectors.finds_itself(store.search, Z[rows], [ids[row] for row in rows])
            print(f"finds itself {itself:.4f} of {len(rows)} newer documents, floor {floor:.4f}")
    return int(found < floor or itself < floor)


kit.run(main, __doc__, "vectors", "ids", optional=True)
