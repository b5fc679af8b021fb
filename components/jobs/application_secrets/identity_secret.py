"""The Secret from which the operator learns who it logs in as for an application."""

import base64

from application_turn import MANAGER
from kube import Api, path


class IdentitySecret:
    """What is known of an application's identity, in the operator's namespace."""

    def __init__(self, kube: Api, namespace: str, application: str) -> None:
        self._kube, self._path = kube, path("secrets", namespace, f"infisical-identity-{application}")

    def read(self) -> dict[str, str]:
        """Return its keys and values."""
        secret: dict[str, str] = self._kube.get(self._path).get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in secret.items()}

    def write(self, wish: dict[str, str]) -> bool:
        """Have it say this too, and return whether it did not before."""
        known = self.read()
        if all(known.get(key) == value for key, value in wish.items()):
            return False
        data = {key: base64.b64encode(value.encode()).decode() for key, value in wish.items()}
        self._kube.merge_patch(self._path, {"data": data}, field_manager=MANAGER)
        return True

    def forget(self, *keys: str) -> bool:
        """Have it say this no more, and return whether it did."""
        known = self.read().keys() & {*keys}
        if known:
            self._kube.merge_patch(self._path, {"data": dict.fromkeys(known)}, field_manager=MANAGER)
        return bool(known)
