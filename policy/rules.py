"""Define the rules as functions of what a stack declares. They run without Pulumi; `__main__.py` hands them to it.

A policy sees decrypted secrets. So a finding says where something is, in keys and numbers, and never what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from declared import Path, Resource, Stack, Unknown, leaves, mapping, texts, where

DATABASE_NAMESPACE, REDIS_NAMESPACE = "platform-db-pg", "platform-kv-redis-cluster"
DATA_NAMESPACES = (DATABASE_NAMESPACE, REDIS_NAMESPACE, "infisical")
DATA_KINDS = ("postgresql", "RedisReplication", "RedisSentinel")

_SSLMODE = re.compile(r"postgres(ql)?://[^\s\"']*[?&]sslmode=", re.IGNORECASE)
_QUOTED = re.compile(r"\"(\\.|[^\"\\])*\"|'[^']*'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A rule that no stack may break. `find` yields what is wrong with a resource."""

    name: str
    description: str
    remedy: str
    find: Callable[[Resource, Stack], Iterator[str]]
    whole_stack: bool = False  # needs the secrets of every resource, so it runs once all are declared

    def messages(self, resource: Resource, stack: Stack) -> Iterator[str]:
        """Yield what a user reads."""
        for finding in self.find(resource, stack):
            yield f"{resource}: {finding}. {self.remedy}"


# --- rules -----------------------------------------------------------------------------------------------------------


def data_services_are_private(resource: Resource, stack: Stack) -> Iterator[str]:
    """Find load balancers, node ports and public names. An unset flag counts, since it means the operator's default."""
    own = stack.own(DATABASE_NAMESPACE), stack.own(REDIS_NAMESPACE)
    if resource.kind not in DATA_KINDS and resource.metadata.get("namespace") not in own:
        return
    if resource.kind == "postgresql":
        spec = mapping(resource.props, "spec")
        for who in ("Master", "Replica", "MasterPooler", "ReplicaPooler"):
            if spec.get(f"enable{who}LoadBalancer") is not False:
                yield f"spec.enable{who}LoadBalancer is not false"
    for path, value in leaves(resource.props):
        if path[-1] in ("type", "serviceType") and value in ("LoadBalancer", "NodePort"):
            yield f"{where(path)} opens it to the outside"
        if any(part.startswith("external-dns.") for part in path):
            yield f"{where(path)} gives it a public name"


def no_sslmode(resource: Resource, _: Stack) -> Iterator[str]:
    """Find connection URIs with sslmode, also in the values of a Secret."""
    for path, text in texts(resource):
        if _SSLMODE.search(text):
            yield f"{where(path)} has a connection URI with sslmode"


def images_are_pinned(resource: Resource, _: Stack) -> Iterator[str]:
    """Find unpinned images in pods, custom resources and a chart's values, whose default may be `latest`."""
    if resource.kind == "CustomResourceDefinition":
        return  # its schema says where an image is named, and names none
    found = list(_images(resource.props, ()))
    for path, pinned in found:
        if not pinned:
            yield f"{where(path)} has no tag, or latest"
    if resource.kind == "Release" and not found:
        yield "values name no image, so the chart's default holds"


def providers_are_explicit(resource: Resource, _: Stack) -> Iterator[str]:
    """Find resources whose provider Pulumi made up."""
    if re.match(r"default(_|$)", resource.provider):
        yield "it has no provider of this program"


def data_is_protected(resource: Resource, stack: Stack) -> Iterator[str]:
    """Find unprotected data where the stack's cluster.protect is on, as it is unless it is turned off.

    The namespaces of operators have none of the stack's: that of the secrets operator may be replaced, and those of
    installed operators stay when they leave the stack, which a policy isn't told.
    """
    data_namespaces = (*map(stack.own, DATA_NAMESPACES), None, Unknown.VALUE)
    precious = (
        resource.kind in ("postgresql", "RedisReplication")
        or (resource.kind == "Namespace" and resource.metadata.get("name") in data_namespaces)
        or (resource.kind == "RandomPassword" and resource.name.endswith("-encryption-key"))
        or (resource.kind == "Secret" and resource.metadata.get("name") == "infisical-secrets")
    )
    if precious and stack.protects and not resource.protect:
        yield "it is not protected, and cluster.protect is on"


def secrets_are_in_secrets(resource: Resource, stack: Stack) -> Iterator[str]:
    """Find secret values that Kubernetes keeps anywhere but in the data of a Secret."""
    if not resource.type.startswith("kubernetes:"):
        return
    for path, value in leaves(resource.props):
        if resource.kind == "Secret" and path[0] in ("data", "stringData"):
            continue
        shown = tuple("…" if stack.reveals(part) else part for part in path)
        name = next(filter(None, map(stack.reveals, (*path, *([value] if isinstance(value, str) else [])))), "")
        if name:
            yield f"{where(shown)} holds the value of a secret, {name}"


def jobs_end(resource: Resource, _: Stack) -> Iterator[str]:
    """Find Jobs without a limit, and CronJobs that make such."""
    if resource.kind == "Job":
        at, spec = "spec", mapping(resource.props, "spec")
    elif resource.kind == "CronJob":
        at, spec = "spec.jobTemplate.spec", mapping(resource.props, "spec", "jobTemplate", "spec")
    else:
        return
    for limit in ("activeDeadlineSeconds", "backoffLimit"):
        if spec.get(limit) is None:
            yield f"{at}.{limit} is not set"


def ingresses_have_tls(resource: Resource, _: Stack) -> Iterator[str]:
    """Find hosts without a certificate. A rule without a host is for every host, which no certificate fits."""
    if resource.kind != "Ingress" or not resource.type.startswith("kubernetes:"):
        return
    spec = mapping(resource.props, "spec")
    with_certificate = [entry for entry in spec.get("tls") or () if entry.get("secretName")]
    covered = {host for entry in with_certificate for host in entry.get("hosts") or ()}
    rules = spec.get("rules") or ()
    if not rules:
        yield "spec.rules name no host"
    for number, rule in enumerate(rules):
        host = rule.get("host")
        if not host:
            yield f"spec.rules.{number} names no host"
        elif isinstance(host, str) and covered.isdisjoint((host, "*." + host.partition(".")[2])):
            yield f"spec.rules.{number}.host has no certificate in spec.tls"


def routes_name_their_listener(resource: Resource, _: Stack) -> Iterator[str]:
    """Find routes that hang on every listener of a Gateway, of which one may speak plain HTTP."""
    if resource.kind != "HTTPRoute":
        return
    spec = mapping(resource.props, "spec")
    for number, parent in enumerate(spec.get("parentRefs") or ()):
        if not parent.get("sectionName"):
            yield f"spec.parentRefs.{number} names no listener"


def redis_has_no_inline_comment(resource: Resource, stack: Stack) -> Iterator[str]:
    """Find lines of redis.conf with a comment behind a directive."""
    if resource.kind != "ConfigMap" or resource.metadata.get("namespace") != stack.own(REDIS_NAMESPACE):
        return
    for path, value in leaves(mapping(resource.props, "data")):
        if path[-1].endswith(".conf") and isinstance(value, str):
            for number, line in enumerate(value.splitlines(), start=1):
                if not line.lstrip().startswith("#") and re.search(r"\s#", _QUOTED.sub("", line)):
                    yield f"data.{where(path)}, line {number} has a comment behind a directive"


RULES = (
    Rule(
        name="data-services-are-private",
        description="Databases have no load balancer, node port or public name.",
        remedy="Make it a ClusterIP Service, and set each load balancer of a postgresql to false.",
        find=data_services_are_private,
    ),
    Rule(
        name="no-sslmode",
        description="No connection URI has sslmode, because some images of Infisical then stop verifying the database.",
        remedy="Remove it from the URI. DB_ROOT_CERT alone turns verification on.",
        find=no_sslmode,
    ),
    Rule(
        name="images-are-pinned",
        description="Every image has a tag other than latest, or a digest.",
        remedy="Write repository:tag or repository@sha256:….",
        find=images_are_pinned,
    ),
    Rule(
        name="providers-are-explicit",
        description="No resource has a default provider, which would use kubectl's current context.",
        remedy="Set parent= to a resource with a provider, or set provider=.",
        find=providers_are_explicit,
    ),
    Rule(
        name="data-is-protected",
        description="Namespaces with data, databases and the encryption key can't be deleted by accident.",
        remedy="Pass protect=, as the component's other data does.",
        find=data_is_protected,
    ),
    Rule(
        name="jobs-end",
        description="Every Job ends by itself, so that no `up` waits for a Job that never ends.",
        remedy="Set it, or make the Job with components.base.job.run_once.",
        find=jobs_end,
    ),
    Rule(
        name="ingresses-have-tls",
        description="Every host of an Ingress has a certificate.",
        remedy="Name the host in spec.rules and in spec.tls, with a secretName.",
        find=ingresses_have_tls,
    ),
    Rule(
        name="routes-name-their-listener",
        description="Every HTTPRoute names the listener that it hangs on, so that none is served in plain HTTP.",
        remedy="Set ingress.route.listener to a listener of protocol HTTPS.",
        find=routes_name_their_listener,
    ),
    Rule(
        name="redis-has-no-inline-comment",
        description="No directive of Redis has a comment behind it, because Redis would not start.",
        remedy="Put the comment on a line of its own.",
        find=redis_has_no_inline_comment,
    ),
    Rule(
        name="secrets-are-in-secrets",
        description="No ConfigMap, argument, variable, annotation or name holds a secret value, only Secrets do.",
        remedy="Put the value into a Secret and refer to it (valueFrom, envFrom, a volume).",
        find=secrets_are_in_secrets,
        whole_stack=True,
    ),
)


def _images(value: object, path: Path) -> Iterator[tuple[Path, bool]]:
    """Yield where an image is named, and whether it is pinned. Charts name repository and tag apart."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = (*path, str(key))
            if key in ("image", "dockerImage") and isinstance(item, str):
                yield here, _is_pinned(item)
            elif key == "image" and isinstance(item, Mapping):
                yield here, bool(item.get("digest")) or _is_pinned(f":{item.get('tag') or ''}")
            elif key == "imageName" and isinstance(item, str):
                yield here, _is_pinned(f"{item}:{value.get('imageTag') or ''}")
            else:
                yield from _images(item, here)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, item in enumerate(value):
            yield from _images(item, (*path, str(number)))


def _is_pinned(image: str) -> bool:
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return bool(digest) or (bool(tag) and not tag.startswith("latest"))
