"""Check the collection: python check.py [VECTORS.npy] [--place URL-or-PATH]

Measures recall@10 of the stored queries against the exact neighbours at the time of the fit. The exit code is 1 if it
is below the floor in config.json. Documents that were added since are passed over; of documents that were deleted, the
recall is missing. VECTORS.npy, (n, d) as the model gives them, are newer documents, whose drift is printed.
"""

import kit
import numpy as np
import vectors

asked = kit.arguments(__doc__, "vectors", optional=True)
with kit.opened(asked.place) as store:
    print(f"{store.count():,} documents in {kit.CONFIG['name']}")
    queries = kit.projected(kit.CHECK["queries"])
    found = vectors.recall(store.search, queries, kit.CHECK["exact"].tolist(), kit.CHECK["known"])
if asked.vectors:
    X = np.load(asked.vectors)
    Z = kit.projected(X)
    now = vectors.summary(Z, kit.given(X))
    for name, value in vectors.drift(kit.CHECK, Z, now).items():
        print(f"drift {name}: {value:.4f}")
floor = kit.CONFIG["floor"]
print(f"recall@10 {found:.4f}, floor {floor:.4f}")
raise SystemExit(found < floor)
