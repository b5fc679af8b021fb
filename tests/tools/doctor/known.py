"""A cluster that answers from a dictionary, and what to ask of it."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import settings
from operations.checks import certificates, rights, route
from operations.checks.result import Check, Level, Result
from operations.cluster import Cluster, Rules, Unanswered
from operations.field_managers import key_of
from operations.pulumi import Stack
from tests.unit.harness import COMMANDS, configuration

GATEWAY = {"kind": "gateway", "name": "public", "namespace": "edge", "listener": "https"}
LETS_ENCRYPT = {"issuer": {"kind": "letsEncrypt", "email": "ops@example.org"}}
PUBLIC = {"siteUrl": "https://secrets.example.org"}
HOST = "secrets.infisical.test"
KUBE_SYSTEM = "uid-of-kube-system"
ROUTE: Check = functools.partial(route.route, COMMANDS)
CLUSTER_ISSUER: Check = functools.partial(certificates.issuer, COMMANDS)
OPERATORS = "/apis/apps/v1/deployments"
ZALANDO = "/apis/acid.zalan.do/v1/namespaces/operators/operatorconfigurations/zalando"
ISSUER = "/apis/cert-manager.io/v1/clusterissuers/embedded-ca"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
NO_RIGHT = Unanswered('User "guest" cannot list resource "deployments" in API group "apps" at the cluster scope')
DENIED = 'admission webhook "webhook.cert-manager.io" denied the request: spec.issuerRef.kind: Invalid value'


@dataclass(frozen=True)
class Answers(Cluster):
    """A path that is not in `paths` is not there; an exception is raised instead of returned."""

    context: str | None = None
    kubeconfig: str | None = None
    paths: Mapping[str, Any] = field(default_factory=dict)
    existing: Collection[tuple[str, ...]] = ()
    refused: str | Unanswered = DENIED
    pods_refused: Mapping[str, str] = field(default_factory=dict)  # by namespace
    rewriting: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)  # a namespace's webhook for containers
    live: Sequence[Any] = ()  # what `kubectl get` shows of objects
    withheld: Collection[rights.Right] = ()
    granted: Mapping[str, Rules | Unanswered] = field(default_factory=dict)  # by namespace
    asked: list[Any] = field(default_factory=list)  # right by right

    def get(self, path: str) -> Any:
        answer = self.paths.get(path)
        if isinstance(answer, Exception):
            raise answer
        return copy.deepcopy(answer)

    def exists(self, *selection: str) -> bool:
        return selection in self.existing

    def objects(self, kinds: Sequence[str], namespace: str = "") -> list[Any]:
        return [each for each in self.live if key_of(each).kind in kinds and key_of(each).namespace == namespace]

    def admitted(self, path: str, body: Any) -> Any:
        if body["kind"] == "Pod":
            self.asked.append(body)
            where = path.split("/")[-2]
            if why := self.pods_refused.get(where, ""):
                return f"{why} (pod {len(self.asked)})"
            containers = [self.rewriting.get(where, lambda each: each)(dict(e)) for e in body["spec"]["containers"]]
            return {**body, "spec": {**body["spec"], "containers": containers}}
        assert body["kind"] == "Certificate"
        if isinstance(self.refused, Unanswered):
            raise self.refused
        return self.refused or body

    def refusal(self, path: str, body: Any) -> str:
        answer = self.admitted(path, body)
        return answer if isinstance(answer, str) else ""

    def rules(self, namespace: str) -> Rules:
        answer = self.granted.get(namespace, Rules(rules=[], complete=True))
        if isinstance(answer, Unanswered):
            raise answer
        return answer

    def allowed(self, questions: Sequence[Any]) -> list[bool]:
        self.asked.extend(questions)
        withheld = [right.attributes for right in self.withheld]
        return [question not in withheld for question in questions]


def deployment(name: str, image: str, available: int = 1, args: Sequence[str] = (), **env: Any) -> dict[str, Any]:
    """In namespace `operators`."""
    variables = [{"name": key} | (value if isinstance(value, dict) else {"value": value}) for key, value in env.items()]
    container = {"name": "main", "image": image, "args": list(args), "env": variables}
    return {
        "metadata": {"namespace": "operators", "name": name},
        "spec": {"template": {"spec": {"containers": [container]}}},
        "status": {"availableReplicas": available} if available else {},
    }


def zalando(tag: str = ":v1.15.1", **changes: Any) -> dict[str, Any]:
    environment = {"POSTGRES_OPERATOR_CONFIGURATION_OBJECT": "zalando"} | changes.pop("env", {})
    return deployment("zalando", f"ghcr.io/zalando/postgres-operator{tag}", **changes, **environment)


def redis(tag: str = ":v0.23.0", **changes: Any) -> dict[str, Any]:
    return deployment("redis", f"ghcr.io/ot-container-kit/redis-operator/redis-operator{tag}", **changes)


def cert_manager(tag: str = ":v1.21.2", **changes: Any) -> dict[str, Any]:
    return deployment("cert-manager", f"quay.io/jetstack/cert-manager-controller{tag}", **changes)


def configured(**kubernetes: Any) -> dict[str, Any]:
    """The Zalando operator's settings; `top` holds those that are not below `kubernetes`."""
    top = {"kubernetes_use_configmaps": False} | kubernetes.pop("top", {})
    top = {key: value for key, value in top.items() if value is not None}
    own = {"watched_namespace": "*", "enable_secrets_deletion": False, "storage_resize_mode": "pvc"} | kubernetes
    return {"configuration": {**top, "kubernetes": {key: value for key, value in own.items() if value is not None}}}


def served(*resources: str) -> dict[str, Any]:
    return {"resources": [{"name": name} for name in resources]}


def storage_class(name: str, *, default: bool = False, grows: bool = False) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}, "allowVolumeExpansion": grows}


def issuer(status: str, message: str = "") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Ready", "status": status, "message": message}]}}


def gateway(**allowed: Any) -> dict[str, Any]:
    listener = {"name": "https", "allowedRoutes": {"namespaces": allowed}} if allowed else {"name": "https"}
    return {"spec": {"listeners": [listener]}, "status": {"addresses": [{"value": "192.0.2.7"}]}}


HEALTHY: Mapping[str, Any] = {
    "/version": {"gitVersion": "v1.36.3"},
    "/apis/acid.zalan.do/v1": served("postgresqls", "postgresqls/status", "operatorconfigurations"),
    "/apis/redis.redis.opstreelabs.in/v1beta2": served("redisreplications", "redissentinels", "redis"),
    "/apis/cert-manager.io/v1": served("certificates", "issuers", "clusterissuers"),
    "/apis/gateway.networking.k8s.io/v1": served("gateways", "httproutes"),
    "/apis/gateway.networking.k8s.io/v1beta1": served("gateways", "referencegrants"),
    OPERATORS: {"items": [zalando(), redis(), cert_manager(), deployment("other", "nginx")]},
    ZALANDO: configured(),
    CLASSES: {"items": [storage_class("slow"), storage_class("fast", default=True)]},
    "/apis/networking.k8s.io/v1/ingressclasses/nginx": {"spec": {"controller": "k8s.io/ingress-nginx"}},
    "/apis/networking.k8s.io/v1/ingressclasses": {"items": [{"metadata": {"name": "nginx"}}]},
    "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways/public": gateway(**{"from": "All"}),
    ISSUER: issuer("True"),
    # Who stack dev lets in, who answers it DNS, and who the tests let in.
    **{
        f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}": {"items": [{}]}
        for namespace, selector in (("ingress", "app%3Dtraefik"), ("kube-system", "k8s-app%3Dkube-dns"), ("edge", ""))
    },
}


def cluster(changes: Mapping[str, Any] | None = None, **others: Any) -> Answers:
    """The healthy one with changed answers; None takes one away."""
    whole = {"/api/v1/namespaces/kube-system": {"metadata": {"name": "kube-system", "uid": KUBE_SYSTEM}}}
    return Answers(paths={**HEALTHY, **whole, **(changes or {})}, **others)


def stack_settings(**sections: Mapping[str, object]) -> settings.Settings:
    """Those of stack dev, with sections changed."""
    where = {"operators": {"postgres": "operators", "redis": "operators"}}
    sections = {**sections, "networkPolicies": where | dict(sections.get("networkPolicies", {}))}
    return settings.load(COMMANDS, configuration("dev", **sections))


@dataclass(frozen=True)
class Exported(Stack):
    """Stack dev without Pulumi; its state has the objects `held`, by type and id."""

    held: Collection[tuple[str, str]] = ()
    exports: list[str] = field(default_factory=list[str])

    def settings(self) -> settings.Settings:
        return stack_settings()

    def run(self, *arguments: str, input: str = "") -> str:
        if arguments[:2] == ("preview", "--json"):
            return json.dumps({"steps": []})
        assert arguments == ("stack", "export")
        self.exports.append("state")
        resources = [{"type": "pulumi:pulumi:Stack"}, *({"type": kind, "id": id_} for kind, id_ in self.held)]
        return json.dumps({"version": 3, "deployment": {"resources": resources} if self.held else {"manifest": {}}})


def ask(check: Check, of: Cluster | None = None, **sections: Mapping[str, object]) -> dict[str, Result]:
    """The check's results by subject."""
    results = list(check(of or cluster(), stack_settings(**sections)))
    assert all(bool(result.fix) == (result.level > Level.OK) for result in results), "a fix for all that is not ok"
    return {result.subject: result for result in results}


def only(results: Mapping[str, Result]) -> Result:
    """The one that is not ok."""
    [bad] = [result for result in results.values() if result.level > Level.OK]
    return bad


def all_ok(results: Mapping[str, Result]) -> bool:
    assert results
    return all(result.level is Level.OK for result in results.values())


def with_(*deployments: dict[str, Any], **changes: Any) -> Answers:
    return cluster({OPERATORS: {"items": deployments}, **changes})
