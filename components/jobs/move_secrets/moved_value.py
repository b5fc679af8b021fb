"""Decide how Infisical stores a value: as it is where it gives it back byte for byte, otherwise in base64."""

import base64

# What JavaScript's trim() removes.
_BLANK = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))


def stored(value: bytes) -> tuple[str, bool]:
    """Return the text that Infisical stores for a value, and whether that is base64, which the delivery decodes."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), True
    # Of line breaks at the end one is kept; `${` begins a reference, and there is no way to write one that is none.
    kept = text.strip(_BLANK) + ("\n" if text.endswith("\n") else "")
    if text == kept and "${" not in text and "\0" not in text:
        return text, False
    return base64.b64encode(value).decode(), True
