"""Which specs are evaluated, and which one is recommended."""
