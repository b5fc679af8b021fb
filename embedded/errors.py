"""What the embedded cluster raises when it cannot go on."""


class EmbeddedError(Exception):
    """A sentence for the user: what failed, why, and what to do."""
