"""What the stack has already: kept, replaced when asked, completed."""

from __future__ import annotations

import json

import pytest

from tests.tools.fake_stack import Encrypted, FakeStack
from tests.tools.importing.known import (
    PEM,
    SITE,
    bring_in,
    encoded,
    refusal,
)


def test_a_value_of_the_stacks_own_stays(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.kept.update({"authSecret": Encrypted("o" * 40), "infisical": {"siteUrl": "https://new.example.org"}})
    assert bring_in(stack, {"AUTH_SECRET": "n" * 40, "SITE_URL": SITE, "SMTP_PORT": "25", "AUDIT_LIMIT": "5"}) == 1
    assert stack.kept["authSecret"] == "o" * 40
    assert stack.kept["infisical"] == {"siteUrl": "https://new.example.org"}
    assert stack.kept["extraEnvironment"] == {"AUDIT_LIMIT": "5"}
    printed = capsys.readouterr().out
    assert "1 set, 0 already set, 2 kept" in printed
    assert "--overwrite" in printed


def test_overwrite_replaces_it(stack: FakeStack) -> None:
    stack.kept.update(
        {
            "authSecret": Encrypted("o" * 40),
            "infisical": {
                "siteUrl": "https://new.example.org",
                "corsAllowedOrigins": [f"https://{n}.org" for n in "abc"],
            },
        }
    )
    changed = {"AUTH_SECRET": "n" * 40, "SITE_URL": SITE, "CORS_ALLOWED_ORIGINS": '["https://x.org"]'}
    assert bring_in(stack, changed, overwrite=True) == 0
    assert stack.kept["authSecret"] == "n" * 40
    assert stack.kept["infisical"] == {"siteUrl": SITE, "corsAllowedOrigins": ["https://x.org"]}


def test_what_was_kept_is_what_the_rest_must_fit(stack: FakeStack) -> None:
    stack.kept["database"] = {"instances": 1}
    own = [{"DB_CONNECTION_URI": "postgresql://u:p@platform-db-cluster-repl.platform-db-pg.svc/infisical"}]
    said = refusal(stack, {"SITE_URL": SITE, "DB_READ_REPLICAS": json.dumps(own)})
    assert "- infisical.readReplicas (DB_READ_REPLICAS): database.instances is 1" in said


def test_a_secret_with_both_encryption_keys_moves_in_whole(stack: FakeStack) -> None:
    bring_in(stack, {"SITE_URL": SITE, "ENCRYPTION_KEY": "0" * 32, "ROOT_ENCRYPTION_KEY": encoded("k" * 32)})
    assert (stack.kept["encryptionKey"], stack.kept["rootEncryptionKey"]) == ("0" * 32, encoded("k" * 32))


def test_numbers_and_line_breaks_make_no_difference(stack: FakeStack) -> None:
    stack.kept.update(
        {
            "infisical": {"siteUrl": SITE, "pools": {"max": "20"}},
            "mail": {"host": "smtp", "fromAddress": "a@b.org", "authority": PEM.rstrip()},
        }
    )
    assert bring_in(stack, {"DB_POOL_MAX": "20", "SMTP_CUSTOM_CA_CERT": encoded(PEM)}) == 0
    assert stack.wrote == []


def test_a_section_in_the_form_of_json_text_keeps_what_it_has(stack: FakeStack) -> None:
    """`pulumi config set --path` throws away the text that it finds in the place of a section."""
    stack.kept.update(
        {
            "infisical": json.dumps({"siteUrl": SITE}),
            "extraSecrets": Encrypted(json.dumps({"ONE": "1st"})),
        }
    )
    assert bring_in(stack, {"TELEMETRY_ENABLED": "true", "DB_POOL_MAX": "20", "SECOND": "2nd value"}) == 0
    assert json.loads(stack.kept["infisical"]) == {"siteUrl": SITE, "telemetry": True, "pools": {"max": 20}}
    assert json.loads(stack.kept["extraSecrets"]) == {"ONE": "1st", "SECOND": "2nd value"}
    assert isinstance(stack.kept["extraSecrets"], Encrypted)


def test_a_variable_without_a_setting_stays_where_the_stack_has_it(stack: FakeStack) -> None:
    stack.kept.update(
        {
            "infisical": {"siteUrl": SITE},
            "extraEnvironment": {"LOG_CERT": "same"},
            "extraSecrets": {"NODE_ENV": Encrypted("production")},
        }
    )
    assert bring_in(stack, {"LOG_CERT": "same", "NODE_ENV": "production"}) == 0
    assert stack.wrote == []
