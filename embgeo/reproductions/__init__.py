"""Published numbers, one table or claim a file, each computed again by calling the library."""
