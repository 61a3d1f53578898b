"""`python -m embgeo.cli` is `embgeo`."""

from embgeo.cli import main

main()
