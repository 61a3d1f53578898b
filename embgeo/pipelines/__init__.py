"""The commands from request to stored run, each on one screen."""
