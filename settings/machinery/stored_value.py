"""Which values Infisical gives back as they were written."""

from __future__ import annotations

# What JavaScript's trim() removes.
_BLANK = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))


def is_kept(value: str) -> bool:
    """Return whether Infisical gives a value back as it was written.

    It removes blanks around a value, but for one line break at its end, takes ${…} for a reference, for which it has no
    escape, and can't store NUL.
    """
    trimmed = value.strip(_BLANK) + ("\n" if value.endswith("\n") else "")
    return value == trimmed and "${" not in value and "\0" not in value
