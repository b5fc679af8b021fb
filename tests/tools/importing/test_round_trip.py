"""What is rendered is imported to the same."""

from __future__ import annotations

import json
import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import settings
from operations.pulumi import PROJECT
from settings import Commands
from settings.secrets import SECRETS
from tests.tools.fake_stack import FakeStack
from tests.tools.importing.known import (
    ISSUER,
    KEY_PEM,
    PEM,
    bring_in,
    encoded,
    environment,
    loaded,
)

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_LETTERS = string.ascii_letters + string.digits
_LABEL = st.text(string.ascii_lowercase, min_size=1, max_size=8)
_LINE = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=12) | st.sampled_from(
    ["true", "007", "12", "+5", "-1", "1e3", "null", "[]", "{}", "a b"]
)
_ORIGIN = st.builds("https://{}.example.org".format, _LABEL)
_TOKEN = st.text(_PRINTABLE, min_size=32, max_size=40)
_SECRET_LINE = st.text(_PRINTABLE, min_size=1, max_size=12)
_PASSWORD = st.text(_LETTERS, min_size=16, max_size=20)
_PEM = st.sampled_from([PEM, PEM * 2, PEM.rstrip(), PEM.replace("\n", "\r\n")])
_KEY_PEM = st.sampled_from([KEY_PEM, KEY_PEM.rstrip()])
_EXTRA = st.sampled_from(["X_TYPE", "X_CERT", "X_ENABLED", "X_ANY", "Y", "Z_LEVEL"])


def _some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Valid ones, without "project:"."""
    pools = {"min": st.integers(0, 10), "max": st.integers(10, 1000), "auditLogsMax": st.integers(1, 9)}
    config: dict[str, Any] = {
        "ingress": ISSUER,
        "infisical": {"siteUrl": draw(_ORIGIN)}
        | draw(
            _some(
                corsAllowedOrigins=st.lists(_ORIGIN, max_size=3),
                telemetry=st.booleans(),
                allowInternalIpConnections=st.booleans(),
                pools=_some(**pools),
            )
        ),
        "signOn": {},
        "integrations": {},
    } | draw(_some(authSecret=_TOKEN, cookieSecret=_TOKEN))
    config |= draw(
        st.sampled_from([{}, {"encryptionKey": "0123456789abcdef" * 2}, {"rootEncryptionKey": encoded("k" * 32)}])
    )
    if draw(st.booleans()):
        mail = {"host": draw(_LABEL), "fromAddress": f"{draw(_LABEL)}@example.org"} | draw(_some(fromName=_LINE))
        mail["port"], mail["tls"] = draw(
            st.sampled_from([(465, "required"), (25, "off"), (25, "opportunistic"), (587, "required")])
        )
        mail |= draw(st.sampled_from([{"verify": False}, {"verify": True}])) | (
            {"authority": draw(_PEM), "verify": True} if draw(st.booleans()) else {}
        )
        if mail["tls"] != "off" and draw(st.booleans()):
            mail["username"], config["smtpPassword"] = draw(_LINE), draw(_SECRET_LINE)
        config["mail"] = mail
    if draw(st.booleans()):
        config["signOn"]["github"] = {"clientId": draw(_LINE)}
        config["githubLoginClientSecret"] = draw(_SECRET_LINE)
    if draw(st.booleans()):
        config["signOn"]["saml"] = {"defaultOrganization": draw(_LABEL), "configured": False}  # needs a licence
    if draw(st.booleans()):
        app = {"clientId": draw(_LINE), "slug": draw(_LINE), "id": draw(st.integers(1, 10**9))}
        config["integrations"]["githubApp"] = app
        config |= {"githubAppClientSecret": draw(_SECRET_LINE), "githubAppPrivateKey": draw(_KEY_PEM)}
    if draw(st.booleans()):
        config["integrations"]["aws"] = {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}
        config["awsSecretAccessKey"] = draw(_SECRET_LINE)
    if draw(st.booleans()):
        replica = st.builds("postgresql://u:{}@{}.example.org:5432/i".format, _PASSWORD, _LABEL)
        config["databaseReadReplicas"] = [
            {"uri": uri, "authority": draw(_PEM)} for uri in draw(st.lists(replica, min_size=1, max_size=2))
        ]
    names = draw(st.lists(_EXTRA, unique=True, max_size=4))
    text = _LINE | _PEM | st.sampled_from([" spaced ", "true", "0123", "otlp"])
    config["extraEnvironment"] = {name: draw(text) for name in names[:2]}
    config["extraSecrets"] = {name: draw(text) for name in names[2:]}
    return config


@given(config=configurations())
def test_what_is_rendered_is_imported_to_the_same(config: dict[str, Any]) -> None:
    values = {f"{PROJECT}:{key}": v if isinstance(v, str) else json.dumps(v) for key, v in config.items()}
    before = settings.load(Commands(PROJECT, "dev"), values, [f"{PROJECT}:{key}" for key in config if key in SECRETS])
    stack = FakeStack(kept={"ingress": ISSUER})
    assert bring_in(stack, environment(before)) == 0
    assert environment(loaded(stack)) == environment(before)
    writes = len(stack.wrote)
    assert bring_in(stack, environment(before)) == 0
    assert len(stack.wrote) == writes
