"""The subject of a request, given by its fields."""

from __future__ import annotations

from typing import Any

from embgeo.requests import SubjectRequest
from embgeo.sources.subject import Source, Subject, load_subject


def subject_of(*named: Any, **fields: Any) -> Subject:
    """The subject of MODEL and DATASET, or of the arrays that the fields hold."""
    request = SubjectRequest(*named, **fields)
    return load_subject(Source.of(request), request)
