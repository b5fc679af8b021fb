"""Say until when the certificates are valid, as cert-manager tells. CertSync looks at what is served."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster, Object
from settings import Settings

_LATE = timedelta(hours=1)  # how long cert-manager may take


def expiry(cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge the Certificates of the database and of the site. Raises Unanswered."""
    for namespace in (settings.cluster.names.database, settings.cluster.names.infisical):
        for certificate in cluster.items(f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates"):
            yield _certificate(cluster, namespace, certificate)


def _certificate(cluster: Cluster, namespace: str, certificate: Object) -> Result:
    name, status = certificate["metadata"]["name"], certificate.get("status") or {}
    subject = f"certificate {name}"
    fix = cluster.kubectl(f"describe certificate -n {namespace} {name}")
    conditions = {entry["type"]: entry for entry in status.get("conditions") or []}
    ready = conditions.get("Ready", {"status": "Unknown", "message": "cert-manager has not looked at it"})
    if not (end := _moment(status.get("notAfter"))):
        return fail(subject, f"not issued: {ready.get('message') or ready.get('reason')}", fix)
    left = end - datetime.now(UTC)
    seen = f"until {end:%Y-%m-%d}, {left.days} days"
    if left <= timedelta(0):
        return fail(subject, f"expired on {end:%Y-%m-%d}", fix)
    if ready["status"] != "True":
        return fail(subject, f"{seen}; not ready: {ready.get('message') or ready.get('reason')}", fix)
    renewal = _moment(status.get("renewalTime"))
    if renewal and renewal + _LATE < datetime.now(UTC):
        return warn(subject, f"{seen}; it should have been renewed on {renewal:%Y-%m-%d}", fix)
    return ok(subject, seen)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
