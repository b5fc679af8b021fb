"""Check whether certificates will be issued."""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.installed import BY_STACK, comes
from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster, Unanswered
from settings import Commands, Settings
from settings.ingress import ExistingIssuer


def issuer(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the ClusterIssuer that the stack names."""
    wanted = settings.ingress.issuer
    if not isinstance(wanted, ExistingIssuer):
        return
    subject = f"ClusterIssuer {wanted.name}"
    if comes(cluster, settings, "certManager"):
        fix = "make it once cert-manager runs: `up` waits ten minutes for the site's certificate"
        yield warn(subject, "nobody can make it before `up` has installed cert-manager", fix)
        return
    found = cluster.get(f"/apis/cert-manager.io/v1/clusterissuers/{wanted.name}")
    if not found:
        issuers = cluster.items("/apis/cert-manager.io/v1/clusterissuers")
        names = sorted(entry["metadata"]["name"] for entry in issuers)
        there = f"there is {', '.join(names)}" if names else "nor any other"
        fix = f"make it, or: {commands.set('ingress.issuer.name', names[0] if names else 'NAME')}"
        yield fail(subject, f"no such issuer; {there}", fix)
        return
    conditions = {entry["type"]: entry for entry in found.get("status", {}).get("conditions", [])}
    ready = conditions.get("Ready", {"status": "Unknown", "message": "cert-manager has not looked at it"})
    if ready["status"] == "True":
        yield ok(subject, "Ready")
    else:
        fix = cluster.kubectl(f"describe clusterissuer {wanted.name}")
        yield fail(subject, f"not Ready: {ready.get('message') or ready.get('reason', 'without a reason')}", fix)


def webhook(cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Ask the webhook for what it must refuse: a Certificate that is accepted would only show that nobody was asked."""
    subject = "cert-manager's webhook"
    if comes(cluster, settings, "certManager"):
        yield ok(subject, BY_STACK)
        return
    pods = cluster.kubectl("get pods --all-namespaces")
    fix = f"see to the Deployment, the Service and the certificate of cert-manager's webhook: {pods}"
    nonsense = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "infisical-doctor", "namespace": "default"},
        "spec": {
            "secretName": "infisical-doctor",
            "dnsNames": ["doctor.invalid"],
            "issuerRef": {"name": "none", "kind": "NoIssuerAtAll"},
        },
    }
    refusal = cluster.refusal("/apis/cert-manager.io/v1/namespaces/default/certificates", nonsense)
    if refusal.startswith("admission webhook"):
        yield ok(subject, "answers")
    elif "cannot create resource" in refusal:
        raise Unanswered(refusal)
    elif not refusal:
        yield fail(subject, "it is not asked: an impossible Certificate was accepted", fix)
    else:
        yield fail(subject, refusal, fix)
