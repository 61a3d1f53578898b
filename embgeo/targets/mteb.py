"""The quality of a recommended store as a task result of mteb: JSON that `mteb.results.TaskResult` reads.

Written without mteb. What mteb does not know (the spec, its bytes, the quality in sample) lies beside the scores, where
mteb keeps unknown keys. A run of `compress` with judgements has it as a folder of results too, which
`mteb.ResultCache(run.folder / "mteb").load_results()` reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embgeo.errors import InputError
from embgeo.files.atomic import storage_errors, write_text
from embgeo.files.jsontext import to_json_text
from embgeo.results import CompressResult
from embgeo.targets import Exported, result_target

RESULTS_FOLDER = "mteb"  # in a run; a ResultCache
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_UNKNOWN = (
    *("release_date", "languages", "n_parameters", "memory_usage_mb", "max_tokens", "license", "open_weights"),
    *("public_training_code", "public_training_data", "use_instructions", "training_datasets", "loader"),
)
UNDETERMINED = "und-Zyyy"  # ISO 639 and 15924; mteb averages over languages, so that a score without one is lost


@dataclass(frozen=True)
class MtebResult(Exported):
    """What was written; `rows` are the documents that were searched."""

    spec: str

    @property
    def format(self) -> str:
        return "mteb TaskResult"

    @property
    def content(self) -> str:
        return f"{self.format} of {self.spec}, {self.rows:,} documents searched"


@result_target("mteb", file="mteb-results.json", summary="the quality of the store as a task result that mteb reads")
def export_mteb(result: CompressResult, path: Path) -> MtebResult:
    """Write the quality of the recommended store to `path`, whole or not at all.

    Raises InputError for a run without judgements, StorageError if the file cannot be written.
    """
    row = result.recommendation
    if row.ndcg is None:
        raise InputError("an mteb result holds nDCG@10 on relevance judgements; this run has none")
    text = to_json_text(task_result(result)) + "\n"
    advice = "Free some space or name another file"
    with storage_errors("the mteb result", path, advice):
        write_text(path, text)
    in_sample = "" if row.in_sample_ndcg is None else f" (in sample {row.in_sample_ndcg:.5f})"
    notes = (
        f"ndcg_at_10 {row.ndcg:.5f} is out of sample, as on documents that the codec was not fitted on{in_sample}",
        "mteb names results by model alone: keep this file apart from those of the uncompressed model",
    )
    size = len(text.encode())
    return MtebResult(path, result.dataset.documents or 0, size, path.stat().st_size, notes, row.spec)


def write_results(result: CompressResult, folder: Path) -> None:
    """Write the quality of the recommended store below `folder` as a model's results; nothing without judgements.

    The model is called after the spec too (`org/model+spec`), so that it is not taken for the uncompressed one.
    """
    if result.recommendation.ndcg is None:
        return
    told, name = task_result(result), _model_name(result)
    revision = str(result.model.at("revision") or "no_revision_available")
    place = folder / RESULTS_FOLDER / "results" / _file_name(name.replace("/", "__")) / _file_name(revision)
    place.mkdir(parents=True)
    meta: dict[str, Any] = {
        "name": name,
        "revision": revision,
        "embed_dim": result.dataset.dimension,
        "similarity_fn_name": result.similarity,
        "framework": [],
        **dict.fromkeys(_UNKNOWN),
    }
    write_text(place / "model_meta.json", to_json_text(meta) + "\n")
    write_text(place / f"{_file_name(told['task_name'])}.json", to_json_text(told) + "\n")


def _model_name(result: CompressResult) -> str:
    """mteb requires the form organization/model."""
    model = result.model.name or "vectors"
    if not _HUB_NAME.fullmatch(model):
        model = f"embgeo/{_file_name(re.split('[/:]', model.rstrip('/'))[-1])}"
    return f"{model}+{result.recommendation.spec}"


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.,@+=-]+", "-", text)[:120]


def task_result(result: CompressResult) -> dict[str, Any]:
    """The JSON object: one score, of the recommended store, nDCG@10 out of sample.

    The revision is that of an MTEB task, otherwise the fingerprint of the dataset. `mteb_version` is the installed one.
    `evaluation_time` is null: a run evaluates many stores at once.
    """
    row, dataset = result.recommendation, result.dataset
    name = dataset.name or "vectors"
    task, _, subset = name.partition(":") if dataset.at("subset") else (Path(name).name, "", "")
    languages = str(dataset.at("languages") or UNDETERMINED)
    scores = {
        "main_score": row.ndcg,
        "ndcg_at_10": row.ndcg,
        "ndcg_at_10_interval": row.ndcg_ci,
        "ndcg_at_10_in_sample": row.in_sample_ndcg,
        "ndcg_at_10_float32": result.baseline.ndcg,
        "recall_of_exact_at_10": row.recall,
        "spec": row.spec,
        "bytes_per_vector": row.bytes_per_vector,
        "estimate": "out of sample" if row.estimator is None else f"out of sample: {row.estimator.name}",
        "hf_subset": subset or dataset.at("subset") or "default",
        "languages": languages.split(", "),
    }
    return {
        "dataset_revision": dataset.at("revision") or dataset.fingerprint or "unknown",
        "task_name": task,
        "mteb_version": (result.environment.get("versions") or {}).get("mteb"),
        "scores": {dataset.at("split") or result.asked("split") or "test": [scores]},
        "evaluation_time": None,
        "kg_co2_emissions": None,
    }
