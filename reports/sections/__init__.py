"""The sections of reports, one a file: to add one, write `@section(…)` over a function that returns blocks."""
