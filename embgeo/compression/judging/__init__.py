"""How a spec is evaluated: fitted, ranked out of sample, built as it would be shipped, and timed."""
