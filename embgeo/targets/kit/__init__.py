"""The kit of a deployed collection: scripts that load, search and check it with NumPy and the store's client alone."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from embgeo.files.atomic import replacing, write_text
from embgeo.files.jsontext import to_json_text
from embgeo.targets.kit import vectors

README = """# {name} in {target}

Made by embgeo {version}: documents as `{spec}`, {rows:,} of them when this was written, in the store at `{place}`
(a path counts from this folder). The scripts run without embgeo: `pip install numpy {needs}`.

| file | |
|---|---|
| `config.json` | the configuration: place, collection, and what `store.py` makes of it |
| `client.npz` | what is done to every vector first: `unit` (divide by its length), `matrix`, `offset` |
| `ingest.py` | adds documents: `python ingest.py VECTORS.npy IDS.txt` |
| `query.py` | searches: `python query.py QUERIES.npy` |
| `check.py` | measures recall@10 of stored queries: exit code 1 below {floor:.3f}, 2 if nothing could be measured |
| | `python check.py VECTORS.npy IDS.txt`: also how far newer documents have drifted, and whether they are found |
| `store.py`, `vectors.py`, `kit.py` | what the scripts share |

The floor is in `config.json`. An embedded store is open only while a script runs, and by one script at a time.
A password is not stored: put it into `--place`, or into the environment as the client expects it.

In the store's own words:

```
{native}
```
"""


def write_kit(
    folder: Path,
    engine: ModuleType,
    config: Mapping[str, Any],
    client: Mapping[str, np.ndarray],
    check: Mapping[str, np.ndarray],
    said: Mapping[str, Any],
) -> None:
    """Write the scripts, `config` as config.json, `client` and `check` as arrays, and a README that says `said`."""
    for source in resources.files(__package__).joinpath("scripts").iterdir():
        if source.name.endswith(".py"):
            write_text(folder / source.name, source.read_text(encoding="utf-8"))
    write_text(folder / "store.py", inspect.getsource(engine))
    write_text(folder / "vectors.py", inspect.getsource(vectors))
    write_text(folder / "config.json", to_json_text(config) + "\n")
    write_text(folder / "README.md", README.format(**said))
    for name, arrays in (("client", client), ("check", check)):
        with replacing(folder / f"{name}.npz") as file:
            np.savez(file, allow_pickle=False, **arrays)
