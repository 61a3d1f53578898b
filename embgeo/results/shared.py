"""What the results of all commands share: the model and dataset, the request, values with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from embgeo.results.stored import Interval, Stored, stored

NDCG, RECALL = "ndcg@10", "recall@10_exact"  # the two qualities that stores are compared by


class Estimate(Stored):
    """A value with its 95 % interval, if there is one."""

    value: float | None = None
    ci: Interval | None = None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        return super().from_json({"value": value} if isinstance(value, int | float) else value)


class Named(Stored):
    """A model; stored as a bare name if nothing else is known of it."""

    name: str | None = stored(read=lambda value: None if value is None else str(value))
    fingerprint: str | None = stored(optional=True)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        if isinstance(value, Mapping) or value is None:
            return super().from_json(value)
        return cls(name=str(value), keys=())

    def to_json(self) -> Any:
        return super().to_json() if self.keys != () else self.name


class Corpus(Named):
    """A dataset: its documents, queries and judgements (`qrels`), and where the cache keeps their `encoding`."""

    documents: int | None = stored(optional=True)
    queries: int | None = stored(optional=True)
    qrels: int | None = stored(optional=True)
    dimension: int | None = stored(optional=True)
    encoding: str | None = stored(optional=True)


class Result(Stored):
    """What every run holds besides the results of its command.

    `embgeo`, `format_version`, `created` and `identity` are added when the run is stored; `request` holds the options
    by name, `config` where they came from, `environment` the versions and the machine.
    """

    embgeo: str | None = stored(optional=True)
    format_version: int | None = stored(optional=True)
    command: str = ""
    created: str | None = stored(optional=True)
    identity: str | None = stored(optional=True)
    request: Mapping[str, Any] = stored()
    config: Mapping[str, Any] | None = stored(optional=True)
    model: Named = stored()
    dataset: Corpus = stored()
    similarity: str | None = stored(optional=True)
    environment: Mapping[str, Any] = stored()

    def asked(self, option: str) -> Any:
        """The value of an option of the request; None where it is not in it."""
        return self.request.get(option)
