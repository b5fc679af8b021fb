"""The forms of a manifest."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.tools.fake_stack import FakeStack
from tests.tools.importing.known import (
    SITE,
    SMALL,
    bring_in,
    encoded,
    secret,
)


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump(secret({}, data={"SITE_URL": encoded(SITE), "ENCRYPTION_KEY": encoded("0" * 32)})),
        json.dumps(secret(SMALL), indent="\t"),
        yaml.safe_dump({"kind": "List", "items": [{"kind": "ConfigMap"}, secret(SMALL)]}),
        f"---\nkind: ConfigMap\n---\nkind: Secret\nstringData:\n  SITE_URL: {SITE}\n  ENCRYPTION_KEY: {32 * '0'}\n---",
        yaml.safe_dump(secret(SMALL, data={"SITE_URL": encoded("other")})),
        yaml.safe_dump(secret({"SITE_URL": SITE}, data={"ENCRYPTION_KEY": encoded("0" * 32 + "\n"), "BLOB": "/w=="})),
    ],
    ids=["base64", "json", "list", "documents", "stringData wins", "line break and no text"],
)
def test_every_form_of_a_secret_is_read(stack: FakeStack, text: str) -> None:
    assert bring_in(stack, text) == 0
    assert stack.kept["infisical"] == {"siteUrl": SITE}
    assert stack.kept["encryptionKey"] == "0" * 32
