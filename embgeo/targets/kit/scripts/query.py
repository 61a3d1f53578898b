"""Search the collection: python query.py QUERIES.npy [--k 10] [--place URL-or-PATH]

QUERIES.npy is (m, d), or (d,) for one, as the model gives them. Prints the number of the query, id and score.
"""

import kit
import numpy as np


def main(asked):
    Q = kit.projected(np.atleast_2d(np.load(asked.queries)))
    with kit.opened(asked.place) as store:
        for number, query in enumerate(Q):
            for name, score in kit.found(store).search(query, asked.k):
                print(number, name, f"{score:.6f}", sep="\t")


kit.run(main, __doc__, "queries", k=10)
