"""The documents of a large corpus that measures, the map and the histogram of pairs are computed on."""

from __future__ import annotations

import numpy as np

PERMUTED = 2**22  # a larger corpus is not permuted: its first rows are drawn without the others
DRAWN = 2**16


def sampled_rows(n: int, size: int, seed: int) -> np.ndarray:
    """(min(n, size),) int64 sorted rows, the first `size` of one random order of the seed: samples nest.

    Memory: the sample, or 2^16 rows if that is more; n rows up to 2^22, and for samples beyond 2^16.

    >>> sampled_rows(5, 5, 0).tolist()
    [0, 1, 2, 3, 4]
    """
    if size >= n:
        return np.arange(n)
    rng = np.random.default_rng([seed, 0])
    if n <= PERMUTED or size > DRAWN:
        return np.sort(rng.permutation(n)[:size])
    return np.sort(rng.choice(n, DRAWN, replace=False)[:size])
