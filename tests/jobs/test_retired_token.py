"""A bootstrap token whose answer was lost is called revoked only where it is."""

from __future__ import annotations

from typing import Any

import pytest
from infisical_api import ApiError
from retire import retire


class Api:
    """An Infisical whose identity of the bootstrap is there, and that lets or does not let its token be taken away."""

    def __init__(self, refused: int | None) -> None:
        self.refused = refused
        self.sent: list[str] = []

    def get(self, path: str, **_: str) -> Any:
        return {"identities": [{"identity": {"id": "i", "name": "Instance Admin Identity"}}]}

    def send(self, method: str, path: str, *_: object, **__: object) -> None:
        self.sent.append(path)
        if self.refused:
            raise ApiError(self.refused, "no", method, path)


class Kept:
    def read(self) -> dict[str, str]:
        return {"asked": "yes"}


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (None, "the bootstrap token is revoked"),
        (404, "the bootstrap token is revoked"),
        (
            403,
            "the bootstrap token is NOT revoked: only an instance admin may. Log in as one, and take Token Auth from",
        ),
    ],
)
def test_a_lost_token(refused: int | None, said: str) -> None:
    api: Any = Api(refused)
    kept: Any = Kept()
    assert retire(api, api, "o", kept).startswith(said)
    assert api.sent == [
        "/api/v1/admin/identity-management/identities/i/super-admin-access",
        "/api/v1/auth/token-auth/identities/i",
    ]
