"""The numbers in the docstrings of measures and comparisons are what the code gives."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
from threadpoolctl import threadpool_limits

import embgeo.metrics
import embgeo.metrics.pairwise
import embgeo.space
from embgeo.metrics.registry import measures

MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (embgeo.metrics, embgeo.metrics.pairwise, embgeo.space)
    for module in pkgutil.iter_modules(package.__path__)
    if module.name != "torch_kernels"
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name: str) -> None:
    with threadpool_limits(1):
        result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_every_file_of_measures_has_examples_that_run() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    for module in {m.compute.__module__ for m in measures().values()}:
        found = [test for test in finder.find(importlib.import_module(module)) if test.examples]
        assert found, module
