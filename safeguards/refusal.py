"""The exception that stops `up` before the first resource."""


class Refusal(Exception):
    """What the settings would destroy or leave undone, and the way out. It never shows a secret's value."""
