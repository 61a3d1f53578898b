"""The runs of a comparison: found, checked, and labelled A, B, … by what they are about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embgeo.errors import InputError
from embgeo.files.jsontext import canonical_json
from embgeo.results import AnyResult, Corpus, Named, read_result
from embgeo.results.compare import ComparedFacts
from embgeo.run import RUNS_FOLDER, Run, find_run, path_text

KINDS = ("analyze", "compress")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison.

    Attributes
    ----------
    label : "A" for the first run of a kind about subject A, "A2" for the second.
    subject : the letter shared by all runs about the same vectors of the same data.
    variant : what distinguishes the model from others of its name ("truncate_dim 96"); "" if its name does.
    """

    run: Run
    result: AnyResult
    label: str = ""
    subject: str = ""
    variant: str = ""

    @property
    def model(self) -> Named:
        return self.result.model

    @property
    def dataset(self) -> Corpus:
        return self.result.dataset

    @property
    def corpus(self) -> str | None:
        """The fingerprint of the dataset; None for bare vectors."""
        return self.dataset.fingerprint

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that the run says about its model, and the similarity."""
        return {**_known(self.model), "similarity": self.result.similarity}

    def facts(self) -> ComparedFacts:
        """What the comparison stores of this run."""
        return ComparedFacts(
            label=self.label,
            subject=self.subject,
            command=self.run.command,
            folder=self.run.name,
            path=path_text(self.run.folder),
            identity=self.result.identity,
            created=self.result.created,
            model=self.model.name,
            variant=self.variant,
            dataset=self.dataset.name,
            fingerprint=self.corpus,
            documents=self.dataset.documents,
            queries=self.dataset.queries,
            dimension=self.dataset.dimension,
            similarity=self.result.similarity,
        )


def gather(runs: Sequence[Run | Path | str], out: Path = RUNS_FOLDER, copies: bool = False) -> list[ComparedRun]:
    """Find and label the runs, in the order given.

    With `copies` two folders may hold the same run: a CI pipeline that ran again with nothing changed.

    Raises
    ------
    InputError
        Fewer than two runs, one given twice, or a comparison among them.
    RunFormatError, UnknownNameError
        A name matches no run, or the format is newer than this embgeo.
    """
    named = [item if isinstance(item, Run) else find_run(item, out) for item in runs]
    if len(named) < 2:
        raise InputError(
            f"compare needs at least two runs; got {len(named) or 'none'}. Add another run of `embgeo analyze` or "
            "`embgeo compress`"
        )
    for run in named:
        if run.command not in KINDS:
            raise InputError(f"compare takes analyze and compress runs; {run.name} is a {run.command} run")
    found = [ComparedRun(run, read_result(run.result)) for run in named]
    _refuse_repeats(found, copies)
    letters: dict[str, str] = {}
    counts: dict[tuple[str, str], int] = {}
    labelled = []
    for item in found:
        subject = letters.setdefault(_subject_key(item.result), _letter(len(letters)))
        count = counts[subject, item.run.command] = counts.get((subject, item.run.command), 0) + 1
        labelled.append(replace(item, label=subject if count == 1 else f"{subject}{count}", subject=subject))
    return [replace(item, variant=_variant(item, labelled)) for item in labelled]


def subjects(runs: Sequence[ComparedRun], *kinds: str) -> list[ComparedRun]:
    """The first run about each subject, of the first of `kinds` that it has (of any kind without `kinds`)."""
    chosen: dict[str, ComparedRun] = {}
    for kind in kinds or KINDS:
        for item in runs:
            if item.run.command == kind:
                chosen.setdefault(item.subject, item)
    return [chosen[letter] for letter in dict.fromkeys(item.subject for item in runs) if letter in chosen]


def _refuse_repeats(items: Sequence[ComparedRun], copies: bool) -> None:
    seen: dict[str, Path] = {}
    for item in items:
        folder, name = item.run.folder.resolve(), item.run.name
        key = str((None if copies else item.result.identity) or folder)
        if key in seen:
            where = "" if seen[key].resolve() == folder else f" ({seen[key]} is a copy of it)"
            raise InputError(f"compare needs different runs; {name} was given twice{where}. Name each run once")
        seen[key] = item.run.folder


def _subject_key(result: AnyResult) -> str:
    model, dataset = result.model, result.dataset
    data = dataset.fingerprint or [dataset.name, dataset.documents]
    # bare vectors are identified by their bytes, a text model by everything in its identity
    return canonical_json([model.fingerprint or _known(model), data, result.similarity])


def _known(model: Named) -> dict[str, Any]:
    return {key: model.at(key) for key in model.keys or ("name",)}


def _variant(item: ComparedRun, every: Sequence[ComparedRun]) -> str:
    """The settings in which the model differs from other subjects of its name, as `name value, …`."""
    mine = item.settings
    theirs = [o.settings for o in every if o.subject != item.subject and o.model.name == item.model.name]
    keys = [key for key in mine if any(mine[key] != other.get(key) for other in theirs)]
    return ", ".join(f"{key} {_brief(mine[key])}" for key in keys[:3])


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else "none" if value is None else canonical_json(value)
    return text if len(text) <= 24 else f"{text[:8]}…" if re.fullmatch("[0-9a-f]+", text) else f"{text[:23]}…"


def _letter(number: int) -> str:
    """A … Z, AA, AB, …"""
    high, low = divmod(number, len(LETTERS))
    return (_letter(high - 1) if high else "") + LETTERS[low]
