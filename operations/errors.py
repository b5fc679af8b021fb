"""Define the one exception that a user is meant to see."""


class OperationError(Exception):
    """What went wrong and what to do about it: one sentence, free of any secret's value."""
