"""Two representations of the same documents compared: how much of one survives in the other."""
