"""Sound sections of a stack, written down from the documentation and not from the models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random

from tests.contract.stacks.affinities import affinities, nodes
from tests.contract.stacks.values import (
    SECRET,
    Config,
    Make,
    armours,
    base64_keys,
    booleans,
    certificates,
    crons,
    emails,
    encryption_keys,
    escrow_notes,
    hosts,
    images,
    infisical_images,
    keys_of,
    labels,
    lines,
    list_of,
    names,
    one_of,
    origins,
    passwords,
    ports,
    private_keys,
    rotations,
    secret_lines,
    signing_keys,
    text_of,
    together,
)
from tests.jobs.job_pki import authority

minutes = one_of(2, 15, 240)

paths = one_of("/a b", "c")
clusters = keys_of({}, context=lines, kubeconfig=paths, protect=booleans, namePrefix=one_of("blue", "a1", "b" * 12),
                   stackId=one_of("3f0c9d1e-77ab-4cde-8a01-0123456789ab"))  # fmt: skip
sizes = one_of({}, {"cpuRequest": "20m", "cpuLimit": "1"}, {"memoryRequest": "64Mi", "memoryLimit": "1Gi"},
             {"cpuLimit": "1.5", "memoryLimit": "1.5G"})  # fmt: skip
databases = together(
    keys_of(
        {},
        version=one_of("14", "15", "16", "17", 14, 16),
        storage=one_of("1Gi", "10.5G", "2Ti"),
        storageClass=names,
        pooler=together(keys_of({}, instances=one_of(1, 2, 10), mode=one_of("transaction", "session")), sizes),
        affinity=keys_of({"nodeAffinity": nodes}),
        deadlineMinutes=minutes,
        passwordRotation=rotations,
        shared=one_of(
            {"users": {"reports": ["createdb"], "app-1": []}, "databases": {"Reports": "reports", "app": "app-1"}},
            {"parameters": {"max_connections": 150, "log_statement": "ddl", "jit": False}},
        ),
    ),
    one_of({}, {"instances": 1}, {"instances": 3, "synchronous": True}, {"instances": 9, "synchronous": False}),
    one_of({}, {"cpuRequest": "50m"}, {"cpuLimit": "1"}, {"cpuLimit": 4}, {"cpuLimit": "0.25"},
         {"cpuRequest": "1.5", "cpuLimit": "1500m"}),
    one_of({}, {"memoryRequest": "128Mi"}, {"memoryLimit": "512Mi"}, {"memoryLimit": "1.5G"},
         {"memoryRequest": "4Gi", "memoryLimit": "4Gi"}),
)  # fmt: skip
redises = together(
    keys_of(
        {},
        instances=one_of(2, 3, 9),
        image=images,
        sentinelImage=images,
        storageClass=names,
        cpuRequest=one_of("20m", "1", 1, "0.125"),
        cpuLimit=one_of("1", "2.5"),
        memoryRequest=one_of("64Mi", "96Mi"),
        sentinel=together(
            keys_of({}, affinity=affinities),
            one_of({}, {"cpuRequest": "10m", "cpuLimit": "1"}, {"memoryRequest": "32Mi", "memoryLimit": "128Mi"}),
        ),
        affinity=affinities,
        deadlineMinutes=minutes,
        passwordRotation=rotations,
    ),
    one_of({}, {"sentinels": 5}, {"quorum": 3}, {"sentinels": 9, "quorum": 9}, {"sentinels": 7, "quorum": 4}),
    one_of({}, {"memoryLimit": "128Mi", "maxMemoryMib": 96}, {"storage": "10.5G"}, {"memoryLimit": "1G"},
         {"memoryLimit": "1Gi", "maxMemoryMib": 819, "storage": "2457Mi"}, {"maxMemoryMib": 32, "storage": "101M"}),
)  # fmt: skip
external_databases = keys_of(
    {"kind": one_of("external"), "host": hosts, "authority": one_of(authority("d").pem)},
    port=ports, name=one_of("infisical", "defaultdb"), user=one_of("app", "svc-infisical", "Admin_1"),
    movedFrom=lines,
)  # fmt: skip
external_redises = one_of(
    keys_of({"kind": one_of("external"), "host": hosts}, port=ports, username=lines,
            authority=one_of(authority("r").pem), tls=one_of(True), movedFrom=lines),
    keys_of({"kind": one_of("external"), "host": hosts, "tls": one_of(False)}, port=ports),
    keys_of({"kind": one_of("external"), "sentinelHosts": one_of(["s-0.example.org:26379"], ["a:1", "b:65535"]),
             "masterName": lines, "tls": one_of(False)}, username=lines),
)  # fmt: skip
certificate_sections = together(
    keys_of({}, extraNames=list_of(names, 0, 2), syncSchedule=crons, deadlineMinutes=minutes),
    one_of({}, {"authorityDuration": "2161h"}, {"leafDuration": "721h"},
         {"leafRenewBefore": "1h", "syncSchedule": "*/59 * * * *"},
         {"authorityDuration": "3h", "leafDuration": "2h", "leafRenewBefore": "1h", "syncSchedule": "*/5 * * * *"}),
)  # fmt: skip
charts = together(
    one_of({}, {"version": "1.8.0"}, {"flavour": "infisical-standalone"}, {"flavour": "infisical", "version": "0.4.2"}),
    keys_of(
        {},
        digest=one_of(f"sha256:{'0a' * 32}"),
        repository=one_of("https://charts.example.org/a/", "oci://r.example.org/charts"),
        path=one_of("../chart"),
    ),
)
pools = one_of({}, {"min": 0}, {"max": 1}, {"min": 10}, {"min": 5, "max": 5, "replicaMin": 0, "replicaMax": 9},
             {"auditLogsMin": 0, "auditLogsMax": 2})  # fmt: skip
infisicals = together(
    keys_of(
        {},
        image=infisical_images,
        replicas=one_of(1, 2, 20),
        drainSeconds=one_of(0, 5, 300),
        affinity=affinities,
        deadlineMinutes=minutes,
        chart=charts,
        corsAllowedOrigins=list_of(origins, 0, 3),
        readReplicas=one_of("none", "cluster"),
        pools=pools,
        migration=keys_of({}, deadlineMinutes=one_of(5, 60, 1440), memoryLimit=one_of("512Mi", "2Gi")),
        telemetry=booleans,
        authorities=one_of(authority("a").pem, authority("b").pem + authority("c").pem),
        ipv6=booleans,
        allowInternalIpConnections=booleans,
        replaceEncryptionKey=text_of("0123456789abcdef", 32, 32),
    ),
    one_of(
        {}, {"cpuRequest": "1", "cpuLimit": 2}, {"memoryRequest": "1Gi", "memoryLimit": "4Gi"}, {"memoryLimit": "1G"}
    ),
)
proxies = list_of(one_of("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/64"), 0, 3)
_issuing = {"deadlineMinutes": one_of(2, 60), "challengeMinutes": one_of(1, 60)}
issuers = keys_of({"kind": one_of("existing"), "name": names}, **_issuing)
lets_encrypts = keys_of({"kind": one_of("letsEncrypt"), "email": emails}, staging=booleans, **_issuing)
controllers = keys_of({"namespace": labels, "service": labels}, port=ports)
classes = keys_of(
    {"kind": one_of("ingress")},
    className=names,
    maxBodyMib=one_of(1, 32, 1024),
    awaitAddress=booleans,
    controller=controllers,
    deadlineMinutes=one_of(2, 60),
    annotations=keys_of({}, **{"example.org/a": lines, "haproxy.org/timeout-server": one_of("5m")}),
)
gateways = together(
    keys_of({"kind": one_of("gateway"), "name": names, "namespace": labels}, controller=controllers),
    one_of({}, keys_of({"listener": names}), {"listener": "https", "redirectListener": "web"}),
)
mails = keys_of(
    {"host": hosts, "fromAddress": emails},
    fromName=lines,
    port=one_of(25, 465, 587, 2525),
    username=lines,
    verify=booleans,
    authority=certificates,
    tls=one_of("required", "opportunistic", "off"),
)
samls = keys_of({"defaultOrganization": one_of("acme", "acme-x1y", "0-1")}, configured=booleans)
jobs = together(
    keys_of(
        {},
        pythonImage=images,
        postgresImage=images,
        startMinutes=one_of(1, 60),
        applicationsMinutes=one_of(2, 15, 55),
        affinity=affinities,
    ),
    sizes,
)
peers = one_of(
    keys_of({"namespace": labels}, labels=keys_of({}, app=names, **{"app.kubernetes.io/name": names})),
    keys_of({"cidr": one_of("10.0.0.0/8", "192.0.2.7", "10.0.0.0/255.0.0.0", "0.0.0.0/0", "fd00::/8", "2001:db8::1")}),
)
parts = one_of("infisical", "database", "pooler", "redis", "sentinel", "jobs")
paths = keys_of({"part": parts, "peer": peers}, ports=list_of(ports, 0, 3))
network_policies = keys_of(
    {},
    enabled=booleans,
    operators=keys_of({}, postgres=labels, redis=labels, externalSecrets=labels),
    ingressController=list_of(peers, 0, 2),
    dns=list_of(peers, 0, 2),
    apiServer=keys_of({}, cidrs=list_of(one_of("10.0.0.0/24", "fd00::/64"), 0, 2), ports=list_of(ports, 1, 2)),
    metrics=list_of(peers, 0, 2),
    outbound=one_of("public", "listed"),
    extraIngress=list_of(paths, 0, 2),
    extraEgress=list_of(paths, 0, 2),
)
names_of_backups = one_of("latest", "0123abcd", "infisical-20261126T113402Z-0123abcd")
volumes = keys_of({"kind": one_of("volume")}, size=one_of("1Gi", "500G"), storageClass=names)
bucket_targets = keys_of(
    {
        "kind": one_of("bucket"),
        "endpoint": one_of("https://s3.example.org", "https://10.0.0.1:9000"),
        "name": one_of("abc", "my.dumps-1"),
    },
    region=one_of("eu-central-1", "auto"),
    prefix=one_of("platform/", "a/b_c/", ""),
    addressing=one_of("path", "virtual"),
    authority=certificates,
    lockDays=one_of(1, 30),
    pointInTime=booleans,
)
backups = keys_of(
    {"target": volumes, "recipients": list_of(armours("PUBLIC"), 1, 3)},
    image=images,
    schedule=crons,
    rehearsalSchedule=crons,
    retention=keys_of({}, days=one_of(1, 90), atLeast=one_of(1, 1000)),
    deadlineMinutes=one_of(5, 1440),
    memoryLimit=one_of("512Mi", "4Gi"),
)
restores = keys_of({"id": one_of("1", "2026-11-26", "a-b"), "from": names_of_backups}, overwrite=one_of("0123456789ab"))
_others = {"host": hosts, "name": one_of("infisicalDB"), "user": one_of("infisical", "app"), "port": ports}
other_servers = one_of(keys_of(_others | {"authority": one_of(authority("e").pem)}, tls=one_of(True)),
                       keys_of(_others | {"tls": one_of(False)}))  # fmt: skip
tolerations = one_of(
    {"operator": "Exists"}, {"key": "infra", "value": "x", "effect": "NoSchedule"}, {"key": "a.example/b"},
    {"key": "a", "operator": "Exists", "effect": "NoExecute"},
)  # fmt: skip
pods = keys_of(
    {},
    tolerations=list_of(tolerations, 0, 2),
    nodeSelector=one_of({}, {"kubernetes.io/arch": "amd64"}, {"node-role.kubernetes.io/infra": ""}),
    priorityClassName=names,
    labels=one_of({}, {"cost-center": "7"}, {"example.org/team": "Security"}),
    spread=one_of("preferred", "required"),
    registry=one_of("registry.example.org", "localhost:5000/mirror", "r.example.org:5000/a/b-c"),
    podSecurity=one_of("restricted"),
)
registry_credentials = one_of(
    json.dumps({"auths": {"r.example.org": {"auth": f"{SECRET}dTpw"}}}),
    json.dumps({"auths": {"r.example.org": {"username": "u", "password": f"{SECRET}p"}}}),
)
extra_values = one_of(lines, "a\nb", "{}", 7, "1.5")
extras = keys_of(
    {},
    CLIENT_ID_GOOGLE_LOGIN=lines,
    SALT=extra_values,
    _X=extra_values,
    A1=extra_values,
    OTEL_EXPORT_TYPE=one_of("otlp"),
    DISABLE_SECRET_SCANNING=one_of("true", "false"),
    SALT_ROUNDS=one_of(12, "12"),
    AUDIT_LOG_STREAMS_ENABLED=one_of("true", "false"),
    CLICKHOUSE_AUDIT_LOG_INSERT_SETTINGS=one_of("{}", '{"async_insert": 1, "a": "b", "c": true}'),
    CLICKHOUSE_URL=one_of("http://clickhouse:8123"),
    CORS_ALLOWED_HEADERS=one_of("[]", '["x-a", "x-b"]'),
    INTERNAL_REGION=one_of("us", "eu"),
    JWT_AUTH_LIFETIME=one_of("15m", "1.5h", "10d"),
    OTEL_EXPORT_OTLP_ENDPOINT=one_of("https://otel.example.org/v1/metrics"),
    PARAMS_FOLDER_SECRET_DETECTION_PATHS=one_of("[]", '[{"secretPath": "/a", "projectId": "p"}]'),
)
extra_secrets = keys_of(
    {}, CLIENT_SECRET_GOOGLE_LOGIN=secret_lines, CAPTCHA_SECRET=one_of(9**9, secret_lines), _Y=secret_lines
)


def replicas(r: Random) -> Config:
    password = "".join(r.choices(["a", "Z", "-", "%2F", "%23", "%C3%A9", "!", "*"], k=r.randint(2, 8)))
    host = f"{names(r)}{r.choice(['', f':{ports(r)}'])}"
    uri = f"{r.choice(['postgresql', 'postgres'])}://{text_of('ab_', 1, 6)(r)}:{SECRET}{password}@{host}/infisical"
    return {"uri": uri, "authority": certificates(r)}


admin_passwords = text_of("aZ09!-", 14, 20)
generated = keys_of({}, **{"shop-0123456789ab": text_of("aZ09!-", 16, 256)})
OPTIONAL: Mapping[str, Make] = {
    "cluster": clusters, "database": databases, "redis": redises, "certificates": certificate_sections, "mail": mails,
    "jobs": jobs, "networkPolicies": network_policies, "pods": pods, "registryCredentials": registry_credentials,
    "extraEnvironment": extras, "extraSecrets": extra_secrets, "authSecret": signing_keys,
    "cookieSecret": signing_keys, "databasePassword": passwords, "redisPassword": passwords,
    "encryptionKey": encryption_keys, "rootEncryptionKey": base64_keys, "databaseReadReplicas": list_of(replicas, 0, 2),
    "signOn.github": keys_of({"clientId": lines}), "signOn.saml": samls,
    "organization": keys_of(
        {"name": text_of("aZ09", 1, 64), "admin": emails, "machineAuth": one_of("universal")}, deadlineMinutes=minutes
    ),
    "integrations.githubApp": keys_of({"clientId": lines, "slug": lines, "id": one_of(1, 7, 10**9)}),
    "integrations.aws": keys_of({"accessKeyId": text_of("AZ09", 16, 20)}), "backup": backups, "restore": restores,
    "escrow": escrow_notes, "generatedValues": generated,
}  # fmt: skip
BELONGS = {
    "organization": {"adminPassword": admin_passwords, "organizationToken": secret_lines},
    "signOn.github": {"githubLoginClientSecret": secret_lines},
    "integrations.githubApp": {"githubAppClientSecret": secret_lines, "githubAppPrivateKey": private_keys},
    "integrations.aws": {"awsSecretAccessKey": secret_lines},
}
