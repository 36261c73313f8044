"""Instructions of single texts instead of seconds: the same on a busy machine, and on one that emulates the target."""
