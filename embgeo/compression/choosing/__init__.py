"""Which specs are tried, and which of the judged ones is recommended."""
