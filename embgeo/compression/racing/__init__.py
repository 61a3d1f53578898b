"""Judging a large corpus in stages: all specs on a small sample, the best of them on larger ones, few on everything."""
