"""Make the identity by which the stack speaks to Infisical from now on, and prove that it works."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from first_admin import Instance
from infisical_api import PROVISIONERS, ApiError, InfisicalApi, Object, kubernetes_login, provisioner, universal_login
from job import Failed, Pending, Report, secret, wait

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_HOUR = 3600
_GRACE_SECONDS = 30  # a ClusterRoleBinding reaches every authorizer's cache a moment later
_DESCRIPTION = "made by the stack"


@dataclass(frozen=True)
class Wish:
    """How the identity authenticates."""

    namespace: str
    account: str
    machine_auth: str


class Provisioner:
    """An identity with the organisation's role admin: newer releases let no other one attach authentication."""

    def __init__(self, actor: InfisicalApi, instance: Instance, wish: Wish, organization: str) -> None:
        self.actor, self.api, self.kept, self.words = actor, instance.api, instance.kept, instance.words
        self.wish, self.organization = wish, organization
        self.name = provisioner(secret("STACK_ID"))

    def ensure(self, report: Report) -> tuple[InfisicalApi, str]:
        """Return a client that is logged in as the identity, and whether it was made or found."""
        identity, made = self._identity()
        if self.wish.machine_auth == "kubernetes":
            self._attach_kubernetes(identity)
            proven = wait(lambda: self._log_in(identity), report, deadline_seconds=_GRACE_SECONDS)
            if self.kept.read().get("clientId"):
                self._detach_universal(proven, identity)
            forgotten = {"clientId": None, "clientSecret": None}
            self.kept.write({"identityId": identity, "organizationId": self.organization, **forgotten})
        else:
            proven = self._rotate(identity)
        self._require_admin(proven)
        return proven, made

    def _identity(self) -> tuple[str, str]:
        found = self.actor.get("/api/v1/identities", orgId=self.organization)["identities"]
        listed = {str(each["identity"]["id"]): (str(each["identity"]["name"]), str(each["role"])) for each in found}
        known = self.kept.read().get("identityId", "")
        self._refuse_another_stack(name for identity, (name, _) in listed.items() if identity != known)
        if known in listed:
            wish = {"name": self.name, "role": "admin"}
            if listed[known] != (self.name, "admin"):
                self.actor.patch(f"/api/v1/identities/{known}", wish)
            return known, "found"
        named = {identity: role for identity, (name, role) in listed.items() if name == self.name}
        if not named:
            wish = {"name": self.name, "organizationId": self.organization, "role": "admin"}
            return str(self.actor.post("/api/v1/identities", wish)["identity"]["id"]), "made"
        if [*named.values()] == ["admin"]:  # a run that was killed made it, or the Secret is lost
            return next(iter(named)), "found"
        raise Failed(
            f"the organisation has identities called {self.name} ({len(named)}), and Secret {self.kept.name} names "
            "none of them. Who may edit identities can give one this name, so none is made an admin. "
            f"{self.words.see('identities-of-the-stacks-name')}"
        )

    def _refuse_another_stack(self, names: Iterable[str]) -> None:
        if others := sorted(name for name in names if name.startswith(PROVISIONERS) and name != self.name):
            raise Failed(
                f"a different stack manages this instance: it has the identity {others[0]}. Two stacks would overwrite "
                f"each other. If this one takes the place of that, give it that one's id, which begins with "
                f"{others[0].removeprefix(PROVISIONERS)}: cluster.stackId. If that stack is gone for good, delete this "
                f"identity in Infisical, and run again. {self.words.see('a-different-stack')}"
            )

    def _attach_kubernetes(self, identity: str) -> None:
        host = os.environ.get("KUBE_API_URL", "https://kubernetes.default.svc")
        authority = Path(os.environ.get("KUBE_CREDENTIALS", _ACCOUNT), "ca.crt").read_text()
        auth = {
            "kubernetesHost": host,
            "caCert": authority,  # without it, older releases don't verify
            "allowedNamespaces": self.wish.namespace,
            "allowedNames": self.wish.account,
            "allowedAudience": "",
            "accessTokenTTL": _HOUR,
            "accessTokenMaxTTL": _HOUR,
            "accessTokenNumUsesLimit": 0,
        }
        try:
            self._attach(f"/api/v1/auth/kubernetes-auth/identities/{identity}", auth)
        except ApiError as error:
            raise _explained(error) from error

    def _attach(self, path: str, auth: Mapping[str, object]) -> Object:
        """Attach an authentication, or change the one that is attached."""
        try:
            self.actor.get(path)
        except ApiError as error:
            if error.status not in (400, 404):
                raise
            return self.actor.post(path, dict(auth))
        return self.actor.patch(path, dict(auth))

    def _log_in(self, identity: str) -> InfisicalApi:
        try:
            return kubernetes_login(self.api, identity)
        except ApiError as error:
            if "Local IPs" in error.message or error.status not in (400, 401, 403):
                raise _explained(error) from error
            raise Pending(f"the provisioner can't log in yet: {error.message}") from error

    def _rotate(self, identity: str) -> InfisicalApi:
        """Make a new client secret, keep it, prove it, and revoke those before it."""
        path = f"/api/v1/auth/universal-auth/identities/{identity}"
        self._attach(path, {"accessTokenTTL": _HOUR, "accessTokenMaxTTL": _HOUR, "accessTokenNumUsesLimit": 0})
        client = str(self.actor.get(path)["identityUniversalAuth"]["clientId"])
        wish = {"description": _DESCRIPTION, "ttl": 0, "numUsesLimit": 0}
        answer = self.actor.post(f"{path}/client-secrets", wish)
        value, newest = str(answer["clientSecret"]), str(answer["clientSecretData"]["id"])
        proven = universal_login(self.api, client, value)
        credentials = {"identityId": identity, "clientId": client, "clientSecret": value}
        self.kept.write({"organizationId": self.organization, **credentials})
        for each in self.actor.get(f"{path}/client-secrets")["clientSecretData"]:
            if each["id"] != newest and each["description"] == _DESCRIPTION and not each.get("isClientSecretRevoked"):
                proven.post(f"{path}/client-secrets/{each['id']}/revoke", idempotent=True)
        return proven

    def _detach_universal(self, proven: InfisicalApi, identity: str) -> None:
        try:
            proven.delete(f"/api/v1/auth/universal-auth/identities/{identity}")
        except ApiError as error:
            if error.status not in (400, 404):  # gone already
                raise

    def _require_admin(self, proven: InfisicalApi) -> None:
        proven.get("/api/v1/identities", orgId=self.organization)


def _explained(error: ApiError) -> Failed:
    if "Local IPs" not in error.message:
        return error
    return Failed(
        "Infisical refuses the address of the cluster's API server (Local IPs not allowed). Its pods lack "
        "ALLOW_INTERNAL_IP_CONNECTIONS=true; or set organization.machineAuth to universal"
    )
