"""What the results of all commands have: who was measured, how it was asked for, values with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from embgeo.results.stored import (
    Interval,
    Stored,
    interval,
    mapping,
    number,
    one,
    some_mapping,
    some_text,
    stored,
    text,
)

NDCG, RECALL = "ndcg@10", "recall@10_exact"  # the two qualities that stores are compared by


@dataclass(frozen=True, kw_only=True)
class Estimate(Stored):
    """A value with its 95 % interval; without one where none can be given."""

    value: float | None = stored("value", number)
    ci: Interval | None = stored("ci", interval)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        return super().from_json({"value": value} if isinstance(value, int | float) else value)


@dataclass(frozen=True, kw_only=True)
class Named(Stored):
    """A model; a bare name was stored where nothing else is known of it."""

    name: str | None = stored("name", lambda value: None if value is None else str(value))
    fingerprint: str | None = stored("fingerprint", some_text, optional=True)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        if isinstance(value, Mapping) or value is None:
            return super().from_json(value)
        return cls(name=str(value), keys=())

    def to_json(self) -> Any:
        return super().to_json() if self.keys != () else self.name


@dataclass(frozen=True, kw_only=True)
class Corpus(Named):
    """A dataset: its documents, queries and judgements (`qrels`), and where the cache keeps their `encoding`."""

    documents: int | None = stored("documents", number, optional=True)
    queries: int | None = stored("queries", number, optional=True)
    qrels: int | None = stored("qrels", number, optional=True)
    dimension: int | None = stored("dimension", number, optional=True)
    encoding: str | None = stored("encoding", some_text, optional=True)


@dataclass(frozen=True, kw_only=True)
class Result(Stored):
    """What every run holds beside what its command found.

    `embgeo`, `format_version`, `created` and `identity` are added when the run is stored; `request` holds the options
    by name, `config` where they came from, `environment` the versions and the machine.
    """

    embgeo: str | None = stored("embgeo", some_text, optional=True)
    format_version: int | None = stored("format_version", number, optional=True)
    command: str = stored("command", text)
    created: str | None = stored("created", some_text, optional=True)
    identity: str | None = stored("identity", some_text, optional=True)
    request: Mapping[str, Any] = stored("request", mapping)
    config: Mapping[str, Any] | None = stored("config", some_mapping, optional=True)
    model: Named = stored("model", one(Named))
    dataset: Corpus = stored("dataset", one(Corpus))
    similarity: str | None = stored("similarity", some_text, optional=True)
    environment: Mapping[str, Any] = stored("environment", mapping)

    def asked(self, option: str) -> Any:
        """The value of an option of the request; None where it is not in it."""
        return self.request.get(option)
