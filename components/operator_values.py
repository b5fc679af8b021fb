"""Write what the charts of the operators are told: the settings that the platform depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from settings import Settings
from settings.operators import CertManagerImages, Operator, PostgresOperatorImages

Json = dict[str, Any]
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
# Charts before 1.16 have no default for either.
_CONFIGURATION = {"apiVersion": "controller.config.cert-manager.io/v1alpha1", "kind": "ControllerConfiguration"}
# A quota counts limits too, and admits no pod without them.
_SMALL = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}


def postgres(settings: Settings) -> Json:
    """Return the values of the chart `postgres-operator`. What `make doctor` judges in others' is set here."""
    operators, pods = settings.operators, settings.pods
    images: PostgresOperatorImages = operators.postgres_images
    registry, repository, tag = _three(images.operator)
    return {
        "image": {"registry": registry, "repository": repository, "tag": tag},
        "configGeneral": {
            "docker_image": images.spilo,
            "enable_crd_registration": False,  # they are the stack's
            # The default of 2.x is true, which moves Patroni's state under running servers: each kind has a primary.
            "kubernetes_use_configmaps": False,
        },
        "configConnectionPooler": {"connection_pooler_image": images.pooler},
        "configMajorVersionUpgrade": {"major_version_upgrade_mode": "manual"},
        "configKubernetes": {
            "cluster_domain": operators.cluster_domain,
            "watched_namespace": "*",
            "enable_cross_namespace_secret": False,
            # A database that is made anew has credentials of the same name.
            "enable_secrets_deletion": False,
            "enable_owner_references": False,
            # It has everybody's databases. A stack that throws its data away deletes the namespace, volumes and all.
            "enable_persistent_volume_claim_deletion": False,
            "enable_pod_disruption_budget": True,
            "enable_readiness_probe": True,
            "enable_pod_antiaffinity": pods.spread is not None,
            "pod_antiaffinity_preferred_during_scheduling": pods.spread != "required",
            "secret_name_template": "{username}.{cluster}.credentials.{tprkind}.{tprgroup}",
            "storage_resize_mode": "pvc",
        },
        "configDebug": {"debug_logging": False},
        "podServiceAccount": {"name": "postgres-pod"},
        "podPriorityClassName": {"create": False},  # pods.priorityClassName names one
        # The chart has no context for the pod, so the container's has the profile as well.
        "securityContext": {**_RESTRICTED, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "500Mi"}},
    }


def redis(settings: Settings) -> Json:
    """Return the values of the chart `redis-operator`."""
    repository, _, tag = settings.operators.redis_image.rpartition(":")
    return {
        "redisOperator": {
            "imageName": repository,
            "imageTag": tag,
            "initContainerImageTag": tag,
            "imagePullPolicy": "IfNotPresent",
            "watchNamespace": "",
            "serviceDNSDomain": settings.operators.cluster_domain,
            "webhook": False,
        },
        "featureGates": {"GenerateConfigInInitContainer": settings.operators.redis_config_in_init_container},
        "podSecurityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "securityContext": _RESTRICTED,
        "resources": _SMALL,
    }


def cert_manager(settings: Settings) -> Json:
    """Return the values of the chart `cert-manager`. Its contexts are those of Pod Security's level restricted."""
    images: CertManagerImages = settings.operators.cert_manager_images
    return {
        "crds": {"enabled": False},  # they are the stack's
        # Several clusters of providers let nobody write to kube-system.
        "global": {"leaderElection": {"namespace": NAMESPACES["certManager"]}},
        "startupapicheck": {"enabled": False},  # the Gate asks the webhook
        "image": _two(images.controller),
        "resources": _SMALL,
        "webhook": {"image": _two(images.webhook), "resources": _SMALL},
        "cainjector": {"image": _two(images.cainjector), "resources": _SMALL},
        "acmesolver": {"image": _two(images.acme_solver)},
        # Behind a Gateway, challenges are answered there. The name that charts from 1.15 on know; without the kinds of
        # Gateway API cert-manager would not start.
        **(
            {"config": {**_CONFIGURATION, "enableGatewayAPI": True}} if settings.ingress.route.kind == "gateway" else {}
        ),
    }


# Helm's names. The charts make their own names from them, and take these as they are.
RELEASES: Mapping[Operator, str] = {
    "postgres": "postgres-operator",
    "redis": "redis-operator",
    "certManager": "cert-manager",
}
NAMESPACES: Mapping[str, str] = {"certManager": "cert-manager"}  # the others' are settings of networkPolicies
VALUES: Mapping[Operator, Callable[[Settings], Json]] = {
    "postgres": postgres,
    "redis": redis,
    "certManager": cert_manager,
}


def namespace_of(settings: Settings, operator: Operator) -> str:
    """Return where an operator is installed."""
    return NAMESPACES.get(operator) or getattr(settings.network_policies.operators, operator)


def _two(image: str) -> Json:
    """Return the parts of an image as cert-manager's chart takes them."""
    repository, _, tag = image.rpartition(":")
    return {"repository": repository, "tag": tag}


def _three(image: str) -> tuple[str, str, str]:
    """Return the parts of an image as Zalando's chart takes them."""
    name, _, tag = image.rpartition(":")
    registry, _, repository = name.partition("/")
    return registry, repository, tag
