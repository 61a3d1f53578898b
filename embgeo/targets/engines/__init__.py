"""Engines: how a collection of vectors is made, filled, read back and searched in a store, one file per store.

A file here needs NumPy and the store's client, nothing of embgeo: a kit holds a copy of it, so that the code that was
measured is the code that the user keeps. Each has a class `Store(place, name, config)`, a context manager:

    marker()            the text that `create` left with the collection; None without a collection, "" if it has none
    create(marker)      a new, empty collection that keeps the text
    count()             rows that the store has
    load(ids, X)        adds rows, X (n, width) float32 after the client's projection; an id that is there is replaced
    finish(timeout)     builds what searches need and waits until the store says that it is ready; seconds
    read_back()         the configuration as the store states it, under the keys of `config`; `rows` and `version`
    search(q, k, mode)  [(id, score)], larger is nearer, of one projected query
    sizes()             bytes by part, as the store counts them
    drop()              removes the collection
    adopt(path, ids)    takes the file at `path`, whose row i is `ids`[i]: of a store whose file embgeo writes, alone

A search has three modes: `codes` compares all codes, without index and without rescoring; `configured` is the plan;
`defaults` passes no option of the search. `native(config, name)` prints the configuration in the store's own words;
`NEEDS` is what pip installs besides NumPy. `sizes()` calls what an empty store takes too "fixed: …".
"""
