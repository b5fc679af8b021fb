"""A real API server for the tests: etcd, kube-apiserver with RBAC, and the controllers which roll Deployments out."""

import json
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml
from job_engines import eventually, free_port, stop
from job_pki import authority

from embedded.instance import cache_folder
from embedded.programs import Programs

ADMIN, SCRIPT = "admin", "script"  # user names, and their tokens
CONTROLLERS = "deployment-controller,replicaset-controller,resourcequota-controller"
Rule = tuple[str, str, Sequence[str], Sequence[str]]  # group, resource, verbs, names


def find_program(name: str) -> str:
    """One of the embedded cluster's programs, as `make e2e` has built it."""
    program = Programs(cache_folder()).path(name)
    assert program.exists(), f"{name} is not built: run `python -m embedded build`"
    return str(program)


class Cluster:
    """The administrator's view, and a service account's credentials as a pod finds them."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self._tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        self._namespaces = 0

    def call(
        self, method: str, path: str, body: object = None, kind: str = "application/merge-patch+json"
    ) -> dict[str, Any]:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {ADMIN}", "Content-Type": kind},
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )
        try:
            with opener.open(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()}") from error

    def create(self, path: str, body: object) -> dict[str, Any]:
        return self.call("POST", path, body, "application/json")

    def namespace(self, prefix: str) -> str:
        self._namespaces += 1
        name = f"{prefix}-{self._namespaces}"
        self.create("/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        self.create(f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": name}, "stringData": dict(data)})

    def event(self, namespace: str, reference: Mapping[str, str], message: str, reason: str = "Create") -> None:
        """A warning about an object, as an operator's recorder writes it."""
        self.create(
            f"/api/v1/namespaces/{namespace}/events",
            {
                "metadata": {"generateName": "event-"},
                "involvedObject": dict(reference),
                "type": "Warning",
                "reason": reason,
                "message": message,
                "lastTimestamp": "2026-01-01T00:00:00Z",
            },
        )

    def grant(self, namespace: str, rules: Sequence[Rule]) -> None:
        """Gives the script's user exactly these rights in a namespace, and waits until the authorizer knows of them."""
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        body = [
            {"apiGroups": [group], "resources": [resource], "verbs": list(verbs), "resourceNames": list(names)}
            for group, resource, verbs, names in rules
        ]
        self.create(f"{rbac}/roles", {"metadata": {"name": SCRIPT}, "rules": body})
        self.create(
            f"{rbac}/rolebindings",
            {
                "metadata": {"name": SCRIPT},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": SCRIPT},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": SCRIPT}],
            },
        )
        eventually(lambda: self._allows(namespace, rules[-1]), f"the rights in {namespace} count")

    def _allows(self, namespace: str, rule: Rule) -> bool:
        group, resource, verbs, names = rule
        resource, _, subresource = resource.partition("/")
        asked = {"namespace": namespace, "group": group, "resource": resource, "subresource": subresource}
        asked |= {"verb": verbs[0], "name": names[0] if names else ""}
        review = {"spec": {"user": SCRIPT, "resourceAttributes": asked}}
        return self.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]

    def statefulset(
        self, namespace: str, name: str, labels: Mapping[str, str], container: Mapping[str, Any], replicas: int
    ) -> dict[str, Any]:
        """Make a StatefulSet that has been rolled out. No controller looks at it: the test plays that one too."""
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        spec = {
            "serviceName": name,
            "replicas": replicas,
            "selector": {"matchLabels": dict(labels)},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
            "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": [dict(container)]}},
        }
        path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
        self.create(path, {"metadata": {"name": name}, "spec": spec})
        return self.rolled_out(namespace, name)

    def rolled_out(self, namespace: str, name: str, **changed: int) -> dict[str, Any]:
        """Say in a StatefulSet's status that every replica is new and ready, except for what is `changed`."""
        path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}"
        found = self.call("GET", path)
        number = found["spec"]["replicas"]
        status: dict[str, Any] = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), number)
        status["observedGeneration"] = found["metadata"]["generation"]
        return self.call("PATCH", f"{path}/status", {"status": status | changed})

    @property
    def environment(self) -> dict[str, str]:
        return {"KUBE_API_URL": self.url, "KUBE_CREDENTIALS": str(self.folder)}

    def postgresql(self, namespace: str, name: str) -> dict[str, Any]:
        """A postgresql custom resource which only the test acts upon."""
        spec = {
            "teamId": "platform-db",
            "numberOfInstances": 2,
            "postgresql": {"version": "15"},
            "volume": {"size": "1Gi"},
            "users": {"infisical_user": []},
            "databases": {"infisical": "infisical_user"},
        }
        body = {
            "apiVersion": "acid.zalan.do/v1",
            "kind": "postgresql",
            "metadata": {"name": name, "annotations": {"owner": "stack"}},
            "spec": spec,
        }
        return self.create(f"/apis/acid.zalan.do/v1/namespaces/{namespace}/postgresqls", body)


def postgresql_crd() -> dict[str, Any]:
    """As the operator's own module defines it."""
    manifests = Programs(cache_folder()).path("postgres-operator-manifests")
    return yaml.safe_load((manifests / "postgresql.crd.yaml").read_text())


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    etcd, apiserver, manager = map(find_program, ("etcd", "kube-apiserver", "kube-controller-manager"))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="job-tests-")))
        # As many a cluster's: what Python 3.13 calls "Missing Authority Key Identifier".
        ca = authority("cluster-ca", key_identifiers=False)
        server = ca.issue("localhost", "127.0.0.1", key_identifiers=False)
        texts = {
            "ca.crt": ca.pem,
            "server.crt": server.pem,
            "server.key": server.key_pem,
            "token": SCRIPT,
            "tokens.csv": f'{ADMIN},{ADMIN},1,"system:masters"\n{SCRIPT},{SCRIPT},2\n',
        }
        for name, text in texts.items():
            (folder / name).write_text(text)

        def start(*command: str) -> None:
            log = stack.enter_context((folder / f"{Path(command[0]).name}.log").open("wb"))
            stack.callback(stop, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log))

        client, peer, secure = free_port(), free_port(), free_port()
        start(
            etcd,
            f"--data-dir={folder}/etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
        )
        start(
            apiserver,
            f"--etcd-servers=http://127.0.0.1:{client}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={secure}",
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://localhost",
            "--service-account-key-file=server.key",
            "--service-account-signing-key-file=server.key",
        )
        cluster = Cluster(f"https://127.0.0.1:{secure}", folder)

        def answers(path: str) -> bool:
            try:
                cluster.call("GET", path)
            except (OSError, AssertionError, ValueError):
                return False
            return True

        eventually(lambda: answers("/api/v1/namespaces/default"), "the API server answers", 120)
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": cluster.url, "certificate-authority": "ca.crt"}}],
            "users": [{"name": "u", "user": {"token": ADMIN}}],
        }
        (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
        start(
            manager,
            "--kubeconfig=kubeconfig",
            f"--controllers={CONTROLLERS}",
            "--leader-elect=false",
            "--secure-port=0",
        )
        cluster.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", postgresql_crd())
        eventually(lambda: answers("/apis/acid.zalan.do/v1/namespaces/default/postgresqls"), "the CRD is served")
        yield cluster
