"""Readable names for what a run stores under short keys: curves, lists of documents, facts of retrievability."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CurveWords:
    """How a stored curve is drawn: its title, a sentence under it, log axes, measures whose values are marked on x."""

    title: str
    note: str = ""
    log: str = ""
    marks: tuple[tuple[str, str], ...] = ()


# (measure, curve) in the order of drawing; curves that are not listed follow under their keys
CURVES: dict[tuple[str, ...], CurveWords] = {
    ("power_law_exponent", "spectrum"): CurveWords(
        "Spectrum", "Variance along each principal component; a straight line indicates a power law.", log="xy"
    ),
    ("effective_rank_knee", "rank"): CurveWords(
        "Rank region",
        "Share of the similarities that the first components explain, with the 85 % and 95 % points and the knee.",
        marks=(("effective_rank_knee", "knee"), ("effective_rank_85", "85 %"), ("effective_rank_95", "95 %")),
    ),
    ("gride_dim", "scale"): CurveWords(
        "Dimension against scale", "Dimension estimate by scale; a plateau indicates a stable dimension."
    ),
    ("lid", "distribution"): CurveWords(
        "Local dimension", "Number of documents by their local dimension.", marks=(("lid", "harmonic mean"),)
    ),
    ("epsilon_corpus", "pair_histogram"): CurveWords(
        "Similarity of pairs of documents",
        "Cosine of two documents: ε, the mean plus two standard deviations, is the overlap that capacity follows from.",
        marks=(("avg_pair_sim_cosine", "mean"), ("epsilon_corpus", "ε")),
    ),
    ("correlation_dimension", "share"): CurveWords(
        "Correlation dimension against scale",
        "Growth rate of the number of pairs within a radius, by the share of all pairs that the radius holds.",
    ),
    ("silhouette", "clusters"): CurveWords(
        "Silhouette against the number of clusters", "Higher means clearer clusters; near 0 there are none."
    ),
    ("mag_area", "magnitude_function"): CurveWords(
        "Magnitude against scale",
        "Effective number of documents by scale: 1 at the coarsest, all of them at the finest.",
    ),
    ("mag_dim", "magnitude_dimension_profile"): CurveWords(
        "Magnitude dimension against scale", "Slope of the magnitude on log axes; mag_dim is its peak."
    ),
    ("ph_dim_euclidean", "total_length"): CurveWords(
        "Persistent-homology dimension, Euclidean", "Total length of the H0 bars by sample size, with the fitted line."
    ),
    ("ph_dim_cosine", "total_length"): CurveWords(
        "Persistent-homology dimension, cosine", "Total length of the H0 bars by sample size, with the fitted line."
    ),
}
# what the lists of documents count; the key of a list says which documents they are
DOCUMENT_MEASURES = {
    "lid": "local dimension",
    "hubness": "neighbour of",
    "mag_dim": "weight",
    "euclidicity": "score",
}

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
