"""Draw the project: the graph that a stack declares, and where the time of an `up` went."""
