"""How a spec is judged: fitted, ranked out of sample, built as it would be shipped, and timed."""
