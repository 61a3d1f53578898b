"""The grammar of codecs: print and parse are inverse, and errors point at what cannot be read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embgeo.compression.choosing.grid import default_specs
from embgeo.compression.codecs.part import INDICES, QUANTIZERS, REDUCERS, Entry, load_parts, quantizer
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.codecs.spellings import NAMES
from embgeo.errors import SpecError

load_parts()


def renumbered(entry: Entry, numbers: list[int]) -> str:
    """The example with other numbers in the groups of its pattern; the example itself where they are not allowed."""
    match = entry.pattern.fullmatch(entry.example)
    assert match
    text = entry.example
    for group, number in reversed(list(zip(range(1, entry.pattern.groups + 1), numbers, strict=False))):
        begin, end = match.span(group)
        text = text[:begin] + str(number) + text[end:]
    return text if entry.pattern.fullmatch(text) else entry.example


def parts(registry: dict[str, Entry]) -> st.SearchStrategy[str]:
    """Every registered part, its numbers drawn."""
    entries = st.sampled_from(sorted(registry.values(), key=lambda entry: entry.example))
    return st.builds(renumbered, entries, st.lists(st.integers(1, 5000) | st.integers(1, 9), min_size=4, max_size=4))


specs = st.tuples(st.lists(parts(REDUCERS), max_size=4), parts(QUANTIZERS)).map(lambda t: ",".join([*t[0], t[1]]))


@given(specs)
def test_a_parsed_spec_prints_and_parses_to_itself(text: str) -> None:
    spec = parse(text)
    assert isinstance(spec, Spec)
    assert str(spec) == text
    assert parse(str(spec)) == spec


@given(st.text(alphabet="pcatrunc0123456789,ifbnyr84@+ \t\n١", max_size=24))
def test_any_text_parses_to_itself_or_is_refused_with_a_reason(text: str) -> None:
    try:
        spec = parse(text)
    except SpecError:
        return
    assert str(spec) == text


@pytest.mark.parametrize("entry", [*REDUCERS.values(), *QUANTIZERS.values()], ids=lambda entry: entry.example)
def test_every_example_is_spelled_as_its_pattern_says(entry: Entry) -> None:
    assert entry.pattern.fullmatch(entry.example)
    assert entry.summary
    assert not set(entry.example) & set(" '\"$*?()[]{}<>|&;\\!#~`"), "no character that a shell would eat"


# what is written, the part that is at fault, the character where it begins
UNREADABLE = [
    ("int9", "int9", 1),
    ("pca192", "pca192", 1),
    ("int8,pca192", "int8", 1),
    ("int8,int8", "int8", 1),
    ("pca192,int9", "int9", 8),
    ("pca192,rto,int4", "rto", 8),
    ("pca192,", "", 8),
    (",int8", "", 1),
    ("pca192, int8", " int8", 8),
    ("pca,int8", "pca", 1),
    ("pca-5,int8", "pca-5", 1),
    ("pca1.5,int8", "pca1.5", 1),
    ("pca0192,int8", "pca0192", 1),
    ("pca١٩٢,int8", "pca١٩٢", 1),
    ("PCA192,int8", "PCA192", 1),
    ("pca192;int8", "pca192;int8", 1),
    ("rot,rot,binary2", "binary2", 9),
    ("pca" + "9" * 5000 + ",int8", "pca9", 1),
]


@pytest.mark.parametrize(("text", "part", "character"), UNREADABLE, ids=[text[:20] for text, _, _ in UNREADABLE])
def test_an_unreadable_spec_is_refused_with_its_position(text: str, part: str, character: int) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert f"character {character}:" in str(caught.value)
    assert f"'{part}" in str(caught.value).partition(f"character {character}:")[2]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "  ", "\t"])
def test_an_empty_spec_names_examples(text: str) -> None:
    with pytest.raises(SpecError, match=r"at least a quantizer.*int8"):
        parse(text)


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(SpecError, match=r"Did you mean .*binary"):
        parse("pca8,binray")


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("halfvec", "f16"), ("float16", "f16"), ("sq8", "int8"), ("scalar", "int8"), ("bq", "binary"), ("INT8", "int8"),
        ("ivfpq", "ivf256,pq32"), ("IVF256,PQ32", "ivf256,pq32"), ("IVF4096,PQ64x4fs", "ivf4096,pq64x4"),
        ("IVF256,Flat", "ivf256,f32"), ("HNSW32", "hnsw32,f32"), ("HNSW32,SQ8", "hnsw32,int8"), ("Flat", "f32"),
        ("PCA64,SQ8", "pca64,int8"), ("PCAR64,IVF16,SQfp16", "ivf16,pca64,f16"), ("OPQ16,PQ16", "opq16"),
        ("OPQ16_64,PQ16x8", "opq16"), ("OPQ16,IVF256,PQ16", "ivf256,opq16"),
        ("IVF256,RaBitQ", "ivf256,rot,rabitq1"), ("RR64,SQ4", "rot,int4"), ("IVF256,PQ32,RFlat", "ivf256,pq32+f32@4"),
        ("pca192,scalar", "pca192,int8"), ("bq+sq8@4", "binary+int8@4"), ("adaptive@48b", "adaptive@48B"),
        ("pca192,elephants", ""),
    ],
)  # fmt: skip
def test_the_names_of_other_stores_are_translated(text: str, ours: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    hint = f" Did you mean {ours}? Known:"
    assert (hint in str(caught.value)) if ours else ("Did you mean" not in str(caught.value))


def test_no_translation_hides_a_name_of_ours() -> None:
    load_parts()
    own = [entry for registry in (QUANTIZERS, REDUCERS, INDICES) for entry in registry.values()]
    assert not [name for name in NAMES if any(entry.pattern.fullmatch(name) for entry in own)]
    for meant in NAMES.values():
        parts = meant.split(",")
        assert all(any(entry.pattern.fullmatch(part) for entry in own) for part in parts), meant


def test_a_wrong_order_is_explained() -> None:
    with pytest.raises(SpecError, match="ends with its one quantizer"):
        parse("int8,rot")


@pytest.mark.parametrize("text", ["pca385,int8", "pca0,int8", "trunc192,pca193,int8", "pcac500,rot,int4"])
def test_a_reducer_that_cannot_reduce_is_refused_before_any_fit(text: str) -> None:
    with pytest.raises(SpecError, match=re.escape(text)):
        parse(text).width(384)


@pytest.mark.parametrize("dimension", [1, 2, 7, 13, 64, 384, 768, 1536])
def test_the_default_grid_fits_every_dimension(dimension: int) -> None:
    grid = default_specs(dimension)
    assert str(grid[0]) == "f32"
    assert len({str(spec) for spec in grid}) == len(grid)
    assert all(1 <= spec.width(dimension) <= dimension for spec in grid)
    if dimension >= 64:
        assert 60 <= len(grid) <= 75, "every family that is cheap to fit"


def test_a_taken_name_cannot_be_registered_again() -> None:
    with pytest.raises(ValueError, match="taken"):
        quantizer(r"int\d", example="int8", summary="", fitted=object)(object)
