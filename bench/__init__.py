"""Measure what the program costs, as ratios within one run."""
