"""Masking of secrets in every form they are printed in."""

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from redact import mounted_secret, redactor

PASSWORD = 'p@ss "w/rd\\+é'
URI = f"postgresql://infisical_user:{quote(PASSWORD, safe='')}@host:5432/infisical"


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        quote_plus(PASSWORD),
        json.dumps(PASSWORD)[1:-1],
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.urlsafe_b64encode(PASSWORD.encode()).decode().rstrip("="),
    ],
)
@pytest.mark.parametrize("value", [PASSWORD, f"{PASSWORD}\n", URI, json.dumps([{"DB_CONNECTION_URI": URI}])])
def test_every_form(form: str, value: str) -> None:
    assert redactor([value])(f"<{form}>") in ("<***>", "<***=>", "<***==>")


def test_longer_value_goes_as_a_whole() -> None:
    assert redactor(["secret", "secret-and-more"])("secret-and-more secret") == "*** ***"


def test_lines_of_a_key() -> None:
    hide = redactor(["-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n"])
    assert hide("line: MIIEvQIBADANBg") == "line: ***"


def test_short_values_stay() -> None:
    assert redactor(["true", ""])("true story") == "true story"


def test_mounted_secret(tmp_path: Path) -> None:
    (tmp_path / "..2026_01_01").mkdir()
    (tmp_path / "..2026_01_01" / "KEY").write_text("value")
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "KEY").symlink_to("..data/KEY")
    assert mounted_secret(tmp_path) == ["value"]
