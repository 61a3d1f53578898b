"""What a run is about: vectors from files (`vectors/`, one reader a file) or from texts, matched with a dataset."""
