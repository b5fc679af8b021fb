"""Read and write the secrets of one environment in Infisical. Nothing that is there is ever overwritten."""

from typing import Any

from infisical_api import ApiError, InfisicalApi
from job import Failed
from secret_batches import batches

MARK = "infisical-platform/moved-from"


class Store:
    """Secrets of one environment of a project, through v4 of the API or, where that isn't served, v3."""

    def __init__(self, api: InfisicalApi, project: str, environment: str) -> None:
        self._api, self._environment = api, environment
        found = self._found(project)
        self._project = str(found["id"])
        self._encrypts = bool(found.get("enforceEncryptedSecretManagerSecretMetadata"))
        self._v4 = self._served(f"/api/v4/secrets?projectId={self._project}&environment={environment}")

    def _found(self, slug: str) -> dict[str, Any]:
        for path in (f"/api/v1/projects/slug/{slug}", f"/api/v2/workspace/{slug}"):
            try:
                return self._api.get(path)
            except ApiError as error:
                if error.status != 404:
                    raise
        raise Failed(f"Infisical has no project {slug}: run `pulumi up` with the applications that were planned")

    def _served(self, path: str) -> bool:
        try:
            self._api.get(path)
        except ApiError as error:
            if error.has_no_route:
                return False
            raise
        return True

    def read(self, folder: str) -> dict[str, dict[str, Any]]:
        """Return the secrets of a folder by name, as the API shows them, with their values as stored."""
        raw = {"expandSecretReferences": "false", "viewSecretValue": "true", "recursive": "false"}
        imports = {"includeImports": "false"} if self._v4 else {"include_imports": "false"}
        try:
            answer = self._api.get(self._base, **self._place(folder), **raw, **imports)
        except ApiError as error:
            if error.status != 404:
                raise
            return {}  # people have deleted the folder; releases before September 2025 answer with an empty list
        return {secret["secretKey"]: secret for secret in answer["secrets"]}

    def create(self, folder: str, texts: dict[str, str], origin: str) -> None:
        """Create secrets of a folder, in as few requests as it takes. Raises Failed where one was not written."""
        marked: dict[str, Any] = {"secretComment": f"Moved in from Secret {origin}"}
        encrypted = {"isEncrypted": True} if self._encrypts else {}  # the project's own setting; refused without
        marked["secretMetadata"] = [{"key": MARK, "value": origin, **encrypted}]
        secrets = [{"secretKey": key, "secretValue": text, **marked} for key, text in texts.items()]
        for batch in batches(secrets):
            self._written(folder, self._api.post(self._batch, {**self._place(folder), "secrets": batch}))

    def delete(self, folder: str, keys: list[str]) -> None:
        """Delete secrets of a folder."""
        for batch in batches({"secretKey": key} for key in keys):
            self._written(folder, self._api.delete(self._batch, {**self._place(folder), "secrets": batch}))

    def _written(self, folder: str, answer: dict[str, Any]) -> None:
        if "approval" in answer:
            raise Failed(
                f"{self._environment}:{folder} is guarded by an approval policy, so nothing was written: "
                "close the request for approval, lift the policy for the move, and run this again"
            )

    def _place(self, folder: str) -> dict[str, str]:
        project = {"projectId": self._project} if self._v4 else {"workspaceId": self._project}
        return {**project, "environment": self._environment, "secretPath": folder}

    @property
    def _base(self) -> str:
        return "/api/v4/secrets" if self._v4 else "/api/v3/secrets/raw"

    @property
    def _batch(self) -> str:
        return "/api/v4/secrets/batch" if self._v4 else "/api/v3/secrets/batch/raw"


def origin_of(secret: dict[str, Any]) -> str:
    """Return the Secret that a secret was moved in from, empty when nobody moved it."""
    metadata: list[dict[str, Any]] = secret.get("secretMetadata") or []
    return next((str(entry["value"]) for entry in metadata if entry.get("key") == MARK), "")
