"""Why `up` does not begin."""


class Refusal(Exception):
    """Says what the settings would destroy or leave undone, and the way out. Never a value of a secret."""
