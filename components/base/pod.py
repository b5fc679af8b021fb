"""Give the pods of this program's Jobs one shape, which Pod Security's "restricted" level admits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pulumi import Input
from pulumi_kubernetes import core, meta

from components.base.names import JOB_LABEL
from components.base.rbac import PolicyRule
from components.base.scripts import FOLDER

_INTERPRETERS = {".py": ["python3", "-u"], ".mjs": ["node"], ".sh": ["sh"]}


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretKey:
    """One key of a Secret in the pod's namespace."""

    secret: Input[str]
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretFiles:
    """Keys of a Secret as files in `folder`; all of them when `keys` is empty."""

    secret: Input[str]
    folder: str
    keys: Sequence[str] = ()
    optional: bool = False  # the pod starts without what is not there, and gets it once it is


@dataclass(frozen=True, kw_only=True, slots=True)
class MapFolder:
    """The keys of a ConfigMap as files in `folder`. A variable, as CONFIG is one, holds no more than 128 KiB."""

    config_map: Input[str]
    folder: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimFolder:
    """The volume of a PersistentVolumeClaim as a folder."""

    claim: Input[str]
    folder: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What a Job does: it runs a script of `components/jobs/`."""

    name: str
    image: Input[str]
    script: str  # path below components/jobs/
    config: Mapping[str, object] | None = None  # the script's CONFIG: plain data, no secret
    env: Mapping[str, Input[str] | SecretKey] = field(default_factory=dict[str, "Input[str] | SecretKey"])
    env_from: Input[str] | None = None  # each key of this Secret becomes a variable
    files: Sequence[SecretFiles] = ()
    rules: Sequence[PolicyRule] = ()  # what the script may ask of the API server, in the Job's namespace
    rules_in: Mapping[str, Sequence[PolicyRule]] = field(default_factory=dict[str, "Sequence[PolicyRule]"])  # elsewhere
    wish: MapFolder | None = None  # what is too long for CONFIG
    claim: ClaimFolder | None = None
    memory_limit: str | None = None  # None: what the stack gives to each Job


def pod_template(
    step: Step,
    *,
    job: str,
    scripts_map: Input[str],
    service_account: Input[str] | None = None,
    annotations: Mapping[str, Input[str]] | None = None,
) -> core.v1.PodTemplateSpecArgs:
    """Return a pod of `job` with one container, because Pulumi shows the last line of only one when a Job fails."""
    volumes = [
        core.v1.VolumeArgs(name="tmp", empty_dir=core.v1.EmptyDirVolumeSourceArgs()),
        core.v1.VolumeArgs(name="scripts", config_map=core.v1.ConfigMapVolumeSourceArgs(name=scripts_map)),
    ]
    volumes += [_secret_volume(step, number) for number in range(len(step.files))]
    if step.wish:
        wish = core.v1.ConfigMapVolumeSourceArgs(name=step.wish.config_map)
        volumes.append(core.v1.VolumeArgs(name="wish", config_map=wish))
    if step.claim:
        source = core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=step.claim.claim)
        volumes.append(core.v1.VolumeArgs(name="claim", persistent_volume_claim=source))
    return core.v1.PodTemplateSpecArgs(
        metadata=meta.v1.ObjectMetaArgs(annotations=dict(annotations or {}), labels={JOB_LABEL: job}),
        spec=core.v1.PodSpecArgs(
            restart_policy="Never",
            service_account_name=service_account,
            automount_service_account_token=service_account is not None,
            enable_service_links=False,  # a Service named like a variable of Infisical would set it
            security_context=core.v1.PodSecurityContextArgs(
                run_as_non_root=True,
                run_as_user=65534,
                run_as_group=65534,
                fs_group=65534,
                seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
            ),
            containers=[_container(step)],
            volumes=volumes,
        ),
    )


def _container(step: Step) -> core.v1.ContainerArgs:
    script = PurePosixPath(step.script)
    mounts = [
        core.v1.VolumeMountArgs(name="tmp", mount_path="/tmp"),
        core.v1.VolumeMountArgs(name="scripts", mount_path=FOLDER, read_only=True),
    ]
    mounts += [
        core.v1.VolumeMountArgs(name=_volume_name(step, number), mount_path=files.folder, read_only=True)
        for number, files in enumerate(step.files)
    ]
    if step.wish:
        mounts.append(core.v1.VolumeMountArgs(name="wish", mount_path=step.wish.folder, read_only=True))
    if step.claim:
        mounts.append(core.v1.VolumeMountArgs(name="claim", mount_path=step.claim.folder))
    env = [_variable(name, value) for name, value in step.env.items()]
    if step.config is not None:
        env.append(core.v1.EnvVarArgs(name="CONFIG", value=json.dumps(step.config, sort_keys=True)))
    env_from = [core.v1.EnvFromSourceArgs(secret_ref=core.v1.SecretEnvSourceArgs(name=step.env_from))]
    return core.v1.ContainerArgs(
        name=step.name,
        image=step.image,
        command=[*_INTERPRETERS[script.suffix], f"{FOLDER}/{script.name}"],
        env=env,
        env_from=env_from if step.env_from is not None else None,
        volume_mounts=mounts,
        # `pulumi up` shows this message: the script's last line, which names the cause.
        termination_message_policy="FallbackToLogsOnError",
        # The rest is the stack's, and components/placement.py adds it.
        resources=core.v1.ResourceRequirementsArgs(limits={"memory": step.memory_limit}) if step.memory_limit else None,
        security_context=core.v1.SecurityContextArgs(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
        ),
    )


def _variable(name: str, value: Input[str] | SecretKey) -> core.v1.EnvVarArgs:
    if not isinstance(value, SecretKey):
        return core.v1.EnvVarArgs(name=name, value=value)
    reference = core.v1.SecretKeySelectorArgs(name=value.secret, key=value.key)
    return core.v1.EnvVarArgs(name=name, value_from=core.v1.EnvVarSourceArgs(secret_key_ref=reference))


def _volume_name(step: Step, number: int) -> str:
    return f"{step.name}-{number}"


def _secret_volume(step: Step, number: int) -> core.v1.VolumeArgs:
    files = step.files[number]
    items = [core.v1.KeyToPathArgs(key=key, path=key) for key in files.keys] or None
    source = core.v1.SecretVolumeSourceArgs(secret_name=files.secret, items=items, optional=files.optional or None)
    return core.v1.VolumeArgs(name=_volume_name(step, number), secret=source)
