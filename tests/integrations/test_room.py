"""The room of integrations: nothing in embgeo imports it, and it reaches no further than a single codec."""

from __future__ import annotations

from pathlib import Path

from laws.house import House

ROOM = "embgeo.integrations"
BEYOND = ("embgeo.pipelines", "embgeo.cli", "embgeo.reports", "embgeo.run", "embgeo.api", "embgeo.comparison")


def test_imports_go_one_way(repository: Path) -> None:
    house = House(repository)
    files = {name for name in house.modules if name.startswith(f"{ROOM}.")}
    assert len(files) > 2
    for name, imported in house.imports.items():
        within = {other for other in imported if other == ROOM or other.startswith(f"{ROOM}.")}
        assert not within, f"{name} imports {sorted(within)}"
        if name in files:
            beyond = {other for other in imported if other.startswith(BEYOND)}
            assert beyond <= {"embgeo.pipelines.codec"}, f"{name} imports {sorted(beyond)}"
