"""Masks secrets in text, in every form they are likely to be printed in."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
MINIMUM_LENGTH = 6  # a shorter value would mask half of the log, and hides nothing
URI_PASSWORD = re.compile(r"://[^:/@\s]*:([^@\s]+)@")
# What a Redis client prints of the command that was refused: a password that may be in no Secret, because it is wrong.
# In JSON, in JSON within JSON, and as Node prints an object; over several lines too.
_NAME = r"""name\W{1,8}(?:auth|hello)\b"""
_ARGUMENTS = r"""(args\W{1,8}?\[)[^\]]*(\]"""
REDIS_LOGIN = re.compile(rf"({_NAME}\W{{1,8}}){_ARGUMENTS})|{_ARGUMENTS}\W{{1,8}}{_NAME})", re.IGNORECASE)


def mounted_secret(directory: Path) -> list[str]:
    """The values of a Secret mounted as a directory; the directories in it are the kubelet's own."""
    return [entry.read_bytes().decode(errors="replace") for entry in sorted(directory.iterdir()) if entry.is_file()]


def redactor(values: Iterable[str]) -> Callable[[str], str]:
    """Return a function that replaces every form of every value by ***, and what has the shape of a password."""
    forms = {form for value in values for form in _forms(value) if len(form) >= MINIMUM_LENGTH}
    # Longest first: a value which contains another one must go as a whole.
    known = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))
    return lambda text: _without_shapes(known.sub(MASK, text) if forms else text)


def _without_shapes(text: str) -> str:
    """Mask passwords by where they stand: those in an address, and those of Redis' commands."""
    text = URI_PASSWORD.sub(lambda found: found[0].replace(found[1], MASK), text)
    # Nothing is put in their place: JSON stays JSON.
    return REDIS_LOGIN.sub(lambda found: "".join(part or "" for part in found.groups()), text)


def _forms(value: str) -> Iterator[str]:
    passwords = URI_PASSWORD.findall(value)
    # A PEM key reaches a log line by line.
    for plain in {value, value.strip(), *value.splitlines(), *passwords, *map(unquote, passwords)}:
        encoded = base64.b64encode(plain.encode()).decode()
        yield from (plain, json.dumps(plain)[1:-1], quote(plain), quote(plain, safe=""), quote_plus(plain))
        yield from (encoded, encoded.rstrip("="), encoded.translate(str.maketrans("+/", "-_")).rstrip("="))
