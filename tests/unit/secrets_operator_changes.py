"""Settings of Infisical's operator with a different value, and what each changes. Its proof is among that."""

from __future__ import annotations

from tests.unit.changes import CANARY, OPERATOR, PROVISIONING, change

OPERATOR_POLICIES = "NetworkPolicy/infisical-secrets-policies-infisical " + " ".join(
    f"NetworkPolicy/secrets-operator-policies-{name}"
    for name in ("secrets-operator", "secrets-operator-gate", "others")
)
OPERATOR_ALL = (
    f"{OPERATOR} Namespace/secrets-operator-namespace "
    + " ".join(f"{kind}/secrets-operator-gate" for kind in ("ServiceAccount", "Role", "RoleBinding"))
    + f" ConfigMap/secrets-operator-gate-scripts {PROVISIONING} {CANARY} "
    + CANARY.replace("infisical-secrets-operator", "operators")
    + """
    ConfigMap/secret-delivery-wish Job/secret-delivery-free Job/secret-delivery-gate
    ServiceAccount/infisical-operator-canary Secret/infisical-identity-operator-canary Role/operator-canary
    RoleBinding/operator-canary Role/application-secrets-identities RoleBinding/application-secrets-identities
    InfisicalConnection/secret-delivery-connection InfisicalAuth/secret-delivery-auth-operator-canary
    """
    + " ".join(
        f"{kind}/secret-delivery-{gate}-{namespace}"
        for kind in ("Role", "RoleBinding")
        for gate in ("free", "gate")
        for namespace in ("infisical-secrets-operator", "operators")
    )
)
SECRETS_OPERATOR = (
    change("secretsOperator.namespace", "operators", f"{OPERATOR_ALL} {OPERATOR_POLICIES}"),
    change("secretsOperator.image", "o:v0.11.6", OPERATOR, "v0.11.6"),
    change("secretsOperator.memoryLimit", "300Mi", OPERATOR),
    change("secretsOperator.chart.path", "./embedded/charts/secrets-operator", "Release/secrets-operator"),
)
