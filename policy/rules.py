"""The rules, as functions of what a stack declares. Pulumi is not needed to run them: `__main__.py` hands them to it.

A policy sees secrets decrypted. So a finding says where something is, in keys and numbers, and never what it is.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote

REDIS_NAMESPACE = "platform-kv-redis-cluster"
DATA_NAMESPACES = ("platform-db-pg", REDIS_NAMESPACE)
DATA_KINDS = ("postgresql", "RedisReplication", "RedisSentinel")

Path = tuple[str, ...]


class Unknown(Enum):
    """Stands for a value which a preview can't tell."""

    VALUE = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """What a policy is given of a resource."""

    type: str
    name: str
    props: Mapping[str, Any]  # plain data; Unknown.VALUE where a preview can't tell
    protect: bool = False
    provider: str = ""  # logical name

    @property
    def kind(self) -> str:
        """The last part of the type: Job, postgresql."""
        return self.type.rpartition(":")[2]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Of a Kubernetes object."""
        return _mapping(self.props, "metadata")

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Stack:
    """What rules have to know beyond the resource before them."""

    def __init__(self, *, protects: bool, secrets: Iterable[str] = ()) -> None:
        self.protects = protects
        self._whole = {form for secret in secrets for form in _forms(secret)}
        self._parts = {form for form in self._whole if len(form) >= 8}  # `on` is a part of too many words

    def reveals(self, text: str) -> bool:
        """Whether a text is a secret, or has one in it: as it is, in base64, in a URI or in JSON."""
        return text in self._whole or any(form in text for form in self._parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """`find` yields what is wrong with a resource."""

    name: str
    description: str
    remedy: str
    find: Callable[[Resource, Stack], Iterator[str]]
    whole_stack: bool = False  # needs the secrets of every resource, so runs when all are declared

    def messages(self, resource: Resource, stack: Stack) -> Iterator[str]:
        """What a user reads."""
        for finding in self.find(resource, stack):
            yield f"{resource}: {finding}. {self.remedy}"


# --- rules -----------------------------------------------------------------------------------------------------------


def data_services_are_private(resource: Resource, _: Stack) -> Iterator[str]:
    """No load balancer, no port on the nodes, no public name; unset means the operator's default."""
    if resource.kind not in DATA_KINDS and resource.metadata.get("namespace") not in DATA_NAMESPACES:
        return
    if resource.kind == "postgresql":
        spec = _mapping(resource.props, "spec")
        for who in ("Master", "Replica", "MasterPooler", "ReplicaPooler"):
            if spec.get(f"enable{who}LoadBalancer") is not False:
                yield f"spec.enable{who}LoadBalancer is not false"
    for path, value in leaves(resource.props):
        if path[-1] in ("type", "serviceType") and value in ("LoadBalancer", "NodePort"):
            yield f"{where(path)} opens it to the outside"
        if any(part.startswith("external-dns.") for part in path):
            yield f"{where(path)} gives it a public name"


def no_sslmode(resource: Resource, _: Stack) -> Iterator[str]:
    """Nowhere, so also not in the values of a Secret."""
    for path, text in texts(resource):
        if _SSLMODE.search(text):
            yield f"{where(path)} has a connection URI with sslmode"


def images_are_pinned(resource: Resource, _: Stack) -> Iterator[str]:
    """Of pods, of custom resources, and in the values of a chart: its own default may be `latest`."""
    found = list(_images(resource.props, ()))
    for path, pinned in found:
        if not pinned:
            yield f"{where(path)} has no tag, or latest"
    if resource.kind == "Release" and not found:
        yield "values name no image, so the chart's default holds"


def providers_are_explicit(resource: Resource, _: Stack) -> Iterator[str]:
    """Find resources whose provider Pulumi made up."""
    if re.match(r"default(_|$)", resource.provider):
        yield "it has no provider of the program's"


def data_is_protected(resource: Resource, stack: Stack) -> Iterator[str]:
    """Where the stack's cluster.protect says so, which it does unless it is turned off."""
    precious = (
        resource.kind in ("Namespace", "postgresql", "RedisReplication")
        or (resource.kind == "RandomPassword" and resource.name.endswith("-encryption-key"))
        or (resource.kind == "Secret" and resource.metadata.get("name") == "infisical-secrets")
    )
    if precious and stack.protects and not resource.protect:
        yield "it is not protected, and cluster.protect is on"


def secrets_are_in_secrets(resource: Resource, stack: Stack) -> Iterator[str]:
    """In the data of a Secret, and nowhere else that Kubernetes keeps."""
    if not resource.type.startswith("kubernetes:"):
        return
    for path, value in leaves(resource.props):
        if resource.kind == "Secret" and path[0] in ("data", "stringData"):
            continue
        shown = tuple("…" if stack.reveals(part) else part for part in path)
        if shown != path or (isinstance(value, str) and stack.reveals(value)):
            yield f"{where(shown)} holds the value of a secret"


def jobs_end(resource: Resource, _: Stack) -> Iterator[str]:
    """Jobs, and those that a CronJob makes."""
    if resource.kind == "Job":
        at, spec = "spec", _mapping(resource.props, "spec")
    elif resource.kind == "CronJob":
        at, spec = "spec.jobTemplate.spec", _mapping(resource.props, "spec", "jobTemplate", "spec")
    else:
        return
    for limit in ("activeDeadlineSeconds", "backoffLimit"):
        if spec.get(limit) is None:
            yield f"{at}.{limit} is not set"


def ingresses_have_tls(resource: Resource, _: Stack) -> Iterator[str]:
    """A certificate for every host; a rule without host is for any, which none fits."""
    if resource.kind != "Ingress" or not resource.type.startswith("kubernetes:"):
        return
    spec = _mapping(resource.props, "spec")
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


def redis_has_no_inline_comment(resource: Resource, _: Stack) -> Iterator[str]:
    """Find lines of redis.conf with a comment behind a directive."""
    if resource.kind != "ConfigMap" or resource.metadata.get("namespace") != REDIS_NAMESPACE:
        return
    for path, value in leaves(_mapping(resource.props, "data")):
        if path[-1].endswith(".conf") and isinstance(value, str):
            for number, line in enumerate(value.splitlines(), start=1):
                if not line.lstrip().startswith("#") and re.search(r"\s#", _QUOTED.sub("", line)):
                    yield f"data.{where(path)}, line {number} has a comment behind a directive"


RULES = (
    Rule(
        name="data-services-are-private",
        description="Databases have no load balancer, node port or public name.",
        remedy="Leave it a ClusterIP Service; for postgresql, say false to each load balancer.",
        find=data_services_are_private,
    ),
    Rule(
        name="no-sslmode",
        description="No connection URI has sslmode: with it, some images of Infisical no longer verify the database.",
        remedy="Take it out of the URI; DB_ROOT_CERT alone turns verification on.",
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
        description="No resource has a default provider: it goes wherever kubectl points at that moment.",
        remedy="Give it a parent with a provider, or provider=.",
        find=providers_are_explicit,
    ),
    Rule(
        name="data-is-protected",
        description="Namespaces, databases and the encryption key can't be deleted by accident.",
        remedy="Pass protect=, as the component's other data does.",
        find=data_is_protected,
    ),
    Rule(
        name="jobs-end",
        description="Every Job ends by itself, so that no `up` waits for one that never will.",
        remedy="Set it, or make the Job with components.base.pod.run_once.",
        find=jobs_end,
    ),
    Rule(
        name="ingresses-have-tls",
        description="Every host of an Ingress has a certificate.",
        remedy="Name the host in spec.rules and in spec.tls, with a secretName.",
        find=ingresses_have_tls,
    ),
    Rule(
        name="redis-has-no-inline-comment",
        description="Redis does not start with a comment behind a directive.",
        remedy="Put it on a line of its own.",
        find=redis_has_no_inline_comment,
    ),
    Rule(
        name="secrets-are-in-secrets",
        description="Secret values are in Secrets only: no ConfigMap, argument, variable, annotation or name has one.",
        remedy="Put the value into a Secret and refer to it (valueFrom, envFrom, a volume).",
        find=secrets_are_in_secrets,
        whole_stack=True,
    ),
)


# --- reading ---------------------------------------------------------------------------------------------------------

_SSLMODE = re.compile(r"postgres(ql)?://[^\s\"']*[?&]sslmode=", re.IGNORECASE)
_QUOTED = re.compile(r"\"(\\.|[^\"\\])*\"|'[^']*'")
_SECRET_KEY = re.compile(r"pass|secret|token|key|uri|credential", re.IGNORECASE)


def secrets_of(resources: Iterable[Resource]) -> Iterator[str]:
    """The values that a stack's resources keep secret, as far as they are known.

    Of a Secret only those whose key says so: host names and switches lie there too, and also, rightly, elsewhere.
    """
    for resource in resources:
        if resource.kind == "RandomPassword" and isinstance(resource.props.get("result"), str):
            yield resource.props["result"]
        elif resource.kind == "Secret":
            for path, text in texts(resource):
                if path[0] in ("data", "stringData") and _SECRET_KEY.search(path[-1]):
                    yield text


def strings(value: object) -> Iterator[str]:
    """Every text in plain data, however deep."""
    for _, leaf in leaves({"": value}):
        if isinstance(leaf, str):
            yield leaf


def texts(resource: Resource) -> Iterator[tuple[Path, str]]:
    """Every text of a resource and where it is; the data of a Secret decoded."""
    for path, value in leaves(resource.props):
        if isinstance(value, str):
            encoded = resource.kind == "Secret" and path[0] == "data"
            yield path, _decoded(value) if encoded else value


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every value which contains no other, and where it is."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, (*path, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, item in enumerate(value):
            yield from leaves(item, (*path, str(number)))
    else:
        yield path, value


def where(path: Path) -> str:
    """A path, for a message."""
    return ".".join(path)


def _mapping(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """What is at `path`; empty when nothing is, or what a preview can't tell."""
    for key in path:
        item = value.get(key)
        value = item if isinstance(item, Mapping) else {}
    return value


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode(errors="replace")
    except ValueError:
        return value


def _forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, encoded, quote(secret, safe=""), json.dumps(secret)[1:-1]} - {""}


def _images(value: object, path: Path) -> Iterator[tuple[Path, bool]]:
    """Where an image is named, and whether it is pinned. A chart's is a mapping of its parts."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = (*path, str(key))
            if key in ("image", "dockerImage") and isinstance(item, str):
                yield here, _is_pinned(item)
            elif key == "image" and isinstance(item, Mapping):
                yield here, bool(item.get("digest")) or _is_pinned(f":{item.get('tag') or ''}")
            else:
                yield from _images(item, here)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, item in enumerate(value):
            yield from _images(item, (*path, str(number)))


def _is_pinned(image: str) -> bool:
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return bool(digest) or (bool(tag) and not tag.startswith("latest"))
