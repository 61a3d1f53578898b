"""Reducers × quantizers on real stores: grammar, codecs, byte account, search, sweep, selection."""
