"""Sound affinities, in the words that a pod has for them."""

from __future__ import annotations

from tests.contract.stacks.values import keys_of, labels, list_of, one_of

_terms = one_of(
    {"matchExpressions": [{"key": "example.org/disk", "operator": "In", "values": ["ssd", "7"]}]},
    {
        "matchExpressions": [
            {"key": "cores", "operator": "Gt", "values": ["4"]},
            {"key": "gpu", "operator": "DoesNotExist"},
        ]
    },
)
nodes = keys_of(
    {},
    requiredDuringSchedulingIgnoredDuringExecution=keys_of({"nodeSelectorTerms": list_of(_terms, 1, 2)}),
    preferredDuringSchedulingIgnoredDuringExecution=list_of(
        keys_of({"weight": one_of(1, 100), "preference": _terms}), 0, 2
    ),
)
_pod_terms = keys_of(
    {
        "topologyKey": one_of("kubernetes.io/hostname"),
        "labelSelector": one_of(
            {"matchLabels": {"app": "platform-kv"}}, {"matchExpressions": [{"key": "a", "operator": "Exists"}]}
        ),
    },
    namespaces=list_of(labels, 0, 2),
    namespaceSelector=one_of({"matchLabels": {"example.org/team": "db"}}),
)
_neighbours = keys_of(
    {},
    requiredDuringSchedulingIgnoredDuringExecution=list_of(_pod_terms, 0, 2),
    preferredDuringSchedulingIgnoredDuringExecution=list_of(
        keys_of({"weight": one_of(1, 100), "podAffinityTerm": _pod_terms}), 0, 2
    ),
)
affinities = keys_of({}, nodeAffinity=nodes, podAffinity=_neighbours, podAntiAffinity=_neighbours)
