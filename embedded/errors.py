"""Define what the embedded cluster raises when it can't go on."""


class EmbeddedError(Exception):
    """A sentence that tells the user what failed, why, and what to do."""
