"""Tell by which labels and annotations others find a Secret. A delivered one has none of them."""

DELIVERED = "infisical-platform/application"
# What only says whose an object is, and who has applied it.
_PLAIN = frozenset(
    (
        *("app", "application", "chart", "component", "env", "environment", "heritage", "name", "release", "stage"),
        *("team", "tier", "version"),
        *("argocd.argoproj.io/instance", "objectset.rio.cattle.io/hash", "velero.io/backup-name"),
        "velero.io/restore-name",
    )
)
_PLAIN_PREFIXES = (
    *("app.kubernetes.io/", "helm.sh/", "applyset.kubernetes.io/", "kapp.k14s.io/"),
    *("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"),
)
# ArgoCD resolves $name:key in its configuration from Secrets that are called a part of it.
_PART_OF = ("app.kubernetes.io/part-of", "argocd")
_ACTED_ON = (
    *("reflector.v1.k8s.emberstack.com/", "replicator.v1.mittwald.de/", "kubed.appscode.com/"),  # copy it elsewhere
    *("tekton.dev/", "kpack.io/"),  # say to which server a build takes it
    "secretgen.carvel.dev/",  # fills it
    "reloader.stakater.com/match",  # restarts what uses it; with External Secrets nothing else does
    "cert-manager.io/allow-direct-injection",  # lets its authority into webhooks
)
_ADVICE = "which its copy would not have: leave it, or take that off first if nothing needs it"


def found_by(labels: dict[str, str], annotations: dict[str, str]) -> str:
    """Return how others find a Secret, empty when all that is known about it are names and references."""
    for label in sorted(labels):
        if (label, labels[label]) == _PART_OF:
            return f"others may find it by its label {'='.join(_PART_OF)}, {_ADVICE}"
        if label not in _PLAIN and not label.startswith(_PLAIN_PREFIXES):
            return f"others may find it by its label {label}, {_ADVICE}"
    for annotation in sorted(annotations):
        if annotation.startswith(_ACTED_ON):
            return f"others act on its annotation {annotation}, {_ADVICE}"
    return ""
