"""Say which programs are built from which pinned Go module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A pinned module, with the binaries built from it and the files taken out of its dependencies."""

    seconds: int  # its time from an empty cache, with two builds at a time on two cores; only the ratios count
    binaries: Mapping[str, str]  # file name -> main package
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # name -> (module, path inside of it)
    ldflags: str = ""
    tags: str = ""
    cgo: bool = False
    source: str = ""  # the folder below programs/, where it is not called as the program
    rehearsals: bool = False  # needed by `make rehearse` alone, so neither `make up` nor `make test` builds it


def _version(package: str, value: str) -> str:
    return f"-X {package}={value}"


_K8S = "k8s.io/kubernetes/cmd"
_K8S_VERSION = "k8s.io/component-base/version"
_CONTAINERD = "github.com/containerd/containerd/v2/cmd"
_CNI = "github.com/containernetworking/plugins/plugins"
_PULUMI = "github.com/pulumi/pulumi/sdk/v3"
_ZALANDO = "github.com/zalando/postgres-operator"
_REDIS = "github.com/OT-CONTAINER-KIT/redis-operator"
_PEBBLE = "github.com/letsencrypt/pebble/v2"
_SEALED = "github.com/bitnami-labs/sealed-secrets"
_ARGOCD = "github.com/argoproj/argo-cd/v3"
_CERT_MANAGER = "github.com/cert-manager/cert-manager"
_EXTERNAL_SECRETS = "github.com/external-secrets/external-secrets"

# Longest first, so that of two builds at a time the last one is alone for the shortest while. Nearly all that
# cert-manager and the provisioner compile is in Go's cache by then, because they pin shared modules as Traefik does.
PROGRAMS: Mapping[str, Program] = {
    "kubernetes": Program(
        seconds=450,
        binaries={
            name: f"{_K8S}/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
            )
        },
        ldflags=" ".join(
            (
                _version(f"{_K8S_VERSION}.gitVersion", "v1.36.3"),
                _version(f"{_K8S_VERSION}.gitMajor", "1"),
                _version(f"{_K8S_VERSION}.gitMinor", "36"),
            )
        ),
    ),
    "traefik": Program(
        seconds=450,
        binaries={"traefik": "github.com/traefik/traefik/v3/cmd/traefik"},
        files={"gateway-api-crds": ("sigs.k8s.io/gateway-api", "config/crd/standard")},
    ),
    "pulumi-resource-kubernetes": Program(
        seconds=290,
        binaries={"pulumi-resource-kubernetes": "."},
        ldflags=_version("github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version", "4.27.0"),
    ),
    "pulumi": Program(
        seconds=210,
        binaries={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
        # The language host starts this script for each program; the host's own module is older than the script.
        files={"pulumi-language-python-exec": (_PULUMI, "python/cmd/pulumi-language-python-exec")},
        ldflags=_version(f"{_PULUMI}/go/common/version.Version", "v3.217.0"),
    ),
    "coredns": Program(seconds=170, binaries={"coredns": "."}),
    "containerd": Program(
        seconds=140,
        binaries={name: f"{_CONTAINERD}/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
    ),
    "postgres-operator": Program(
        seconds=120,
        binaries={"postgres-operator": f"{_ZALANDO}/cmd"},
        files={"postgres-operator-manifests": (_ZALANDO, "manifests")},
    ),
    "redis-operator": Program(
        seconds=85,
        binaries={"redis-operator": f"{_REDIS}/cmd"},
        files={"redis-operator-config": (_REDIS, "config")},
    ),
    "etcd": Program(seconds=65, binaries={"etcd": "go.etcd.io/etcd/server/v3"}),
    "kube-network-policies": Program(
        seconds=65, binaries={"kube-network-policies": "sigs.k8s.io/kube-network-policies/cmd"}
    ),
    "cert-manager": Program(
        seconds=65,
        binaries={"certmanager": "."},
        files={"cert-manager-crds": (_CERT_MANAGER, "deploy/crds")},
    ),
    "pulumi-language-python": Program(
        seconds=45, binaries={"pulumi-language-python": f"{_PULUMI}/python/cmd/pulumi-language-python"}
    ),
    "pulumi-resource-random": Program(seconds=30, binaries={"pulumi-resource-random": "."}),
    "cni": Program(
        seconds=15,
        binaries={
            "bridge": f"{_CNI}/main/bridge",
            "loopback": f"{_CNI}/main/loopback",
            "host-local": f"{_CNI}/ipam/host-local",
            "portmap": f"{_CNI}/meta/portmap",
        },
    ),
    "runc": Program(seconds=15, binaries={"runc": "github.com/opencontainers/runc"}, tags="seccomp", cgo=True),
    "local-path-provisioner": Program(
        seconds=5, binaries={"local-path-provisioner": "github.com/rancher/local-path-provisioner"}
    ),
    # Every provider of secrets that there is, with its SDK. Later versions need modules that no proxy serves.
    "external-secrets": Program(
        seconds=600,
        binaries={"external-secrets": _EXTERNAL_SECRETS},
        files={"external-secrets-crds": (_EXTERNAL_SECRETS, "config/crds/bases")},
        rehearsals=True,
    ),
    "argocd": Program(
        seconds=250,
        binaries={"argocd": f"{_ARGOCD}/cmd"},  # all parts in one, each by its name
        files={"argocd-crds": (_ARGOCD, "manifests/crds")},
        ldflags=_version(f"{_ARGOCD}/common.version", "3.1.9"),
        rehearsals=True,
    ),
    "helm": Program(seconds=60, binaries={"helm": "helm.sh/helm/v3/cmd/helm"}, rehearsals=True),  # ArgoCD runs it
    "sealed-secrets": Program(
        seconds=60,
        binaries={"sealed-secrets-controller": f"{_SEALED}/cmd/controller", "kubeseal": f"{_SEALED}/cmd/kubeseal"},
        files={"sealed-secrets-crds": (_SEALED, "helm/sealed-secrets/crds")},
        ldflags=_version("main.VERSION", "0.27.1"),
        rehearsals=True,
    ),
    "cert-manager-acme": Program(
        seconds=90, source="cert-manager", binaries={"certmanager-acme": "."}, tags="acme", rehearsals=True
    ),
    # Let's Encrypt's own test server, and the DNS that it asks.
    "pebble": Program(
        seconds=20,
        binaries={name: f"{_PEBBLE}/cmd/{name}" for name in ("pebble", "pebble-challtestsrv")},
        rehearsals=True,
    ),
    # The operators' real charts, as their modules carry them.
    "operator-charts": Program(
        seconds=1,
        binaries={},
        files={
            "postgres-operator-chart": (_ZALANDO, "charts/postgres-operator"),
            "redis-operator-chart": (_REDIS, "charts/redis-operator"),
            "cert-manager-chart": (_CERT_MANAGER, "deploy/charts/cert-manager"),
        },
        rehearsals=True,
    ),
    "registry": Program(seconds=60, binaries={"registry": "."}, rehearsals=True),
    "secrets-operator": Program(seconds=10, binaries={"manager": "."}),
    "pause": Program(seconds=1, binaries={"pause": "."}),
}
