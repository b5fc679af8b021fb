"""Settings of section ingress with a different value, and what each changes."""

from __future__ import annotations

from tests.unit.changes import WHOLE, change

_RIGHTS = " ".join(f"{kind}/ingress-gate" for kind in ("ServiceAccount", "Role", "RoleBinding"))
_GATE = (
    f"Gate/ingress-gate Job/ingress-gate ConfigMap/ingress-gate-scripts {_RIGHTS} "
    "NetworkPolicy/infisical-secrets-policies-ingress-gate"
)
_THROUGH = {
    name: {**WHOLE["ingress"], "route": {**WHOLE["ingress"]["route"], "controller": controller}}
    for name, controller in {
        "namespace": {"namespace": "web", "service": "proxy"},
        "service": {"namespace": "web", "service": "front"},
        "port": {"namespace": "web", "service": "proxy", "port": 8443},
    }.items()
}
OTHER_WAYS_IN = (
    change("ingress.issuer.name", "other-ca", "Certificate/ingress-certificate Job/ingress-issued"),
    change(
        "ingress.issuer.names",
        ["*.pnats.cloud", "pnats.cloud"],
        "Certificate/ingress-certificate Job/ingress-issued",
        "*.pnats.cloud",
    ),
    change("ingress.issuer.deadlineMinutes", 11, "Job/ingress-issued", None),
    change("ingress.issuer.challengeMinutes", 7, "Job/ingress-issued", None),
    change("ingress.route.name", "private", "HTTPRoute/ingress-route"),
    change("ingress.route.namespace", "inside", "HTTPRoute/ingress-route ReferenceGrant/ingress-grant"),
    change("ingress.route.listener", "tls", "HTTPRoute/ingress-route"),
    change("ingress.route.redirectListener", "web", "HTTPRoute/ingress-redirect"),
)
WAYS_IN = (
    *(
        change(
            f"ingress.route.controller.{name}",
            None,
            f"Job/ingress-gate {_RIGHTS}",
            shown,
            ingress=_THROUGH[name],
        )
        for name, shown in (("namespace", ".web.svc"), ("service", "front"), ("port", "8443"))
    ),
    change("ingress.route.deadlineMinutes", 6, "Job/ingress-gate", None),
    change("ingress.issuer.email", "b@example.net", "Issuer/ingress-issuer"),
    change(
        "ingress.issuer.staging",
        True,
        "Issuer/ingress-issuer Certificate/ingress-certificate Job/ingress-issued Role/ingress-issued Job/ingress-gate",
        "staging",
    ),
    change("ingress.route.maxBodyMib", 40, "Ingress/ingress-route Job/ingress-gate", "40m"),
    change("ingress.route.awaitAddress", False, _GATE, None),
    change(
        "ingress.route.annotations",
        {"example.org/a": "annotated"},
        "Ingress/ingress-route Job/ingress-gate",
        "annotated",
    ),
    change("ingress.route.className", "traefik", "Issuer/ingress-issuer Ingress/ingress-route Job/ingress-gate"),
)
