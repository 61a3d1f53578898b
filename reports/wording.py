"""Readable names for what a run stores under short keys: facts of retrievability, protocol, environment."""

from __future__ import annotations

# stored keys that say too little by themselves
LABELS = {
    "gini": "Gini coefficient (0: all found equally often)",
    "gini_found": "Gini among those found at least once",
    "gini_random": "Gini of random results",
    "never_retrieved": "Share of documents never found",
    "never_retrieved_random": "The same for random results",
    "most_retrieved": "Found by most queries",
    "never_retrieved_documents": "Found by no query (the first of them)",
    "out_of_sample": "Out of sample",
    "fit_rows": "Documents trained on",
    "fit_rows_most": "Documents trained on at most",
    "document_overlap@10": "Ten nearest documents kept",
    "probes": "Documents probed",
    "reachable@100": "Documents that the queries can reach",
    "newly_unreachable": "No longer reachable",
    "batch_size": "Texts per batch",
    "cpu_count": "CPU cores",
    "memory_bytes": "Memory",
}
