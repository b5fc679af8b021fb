"""What Infisical does with its environment: which values end it, and which it passes over in silence.

Written down from upstream alone, and knows nothing of this project's settings. Sources: backend/src/lib/config/env.ts,
backend/src/lib/config/redis.ts and backend/src/db/instance.ts of Infisical/infisical; node-postgres' reading of a URI.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.infisical_rules import forms, subjects
from tests.contract.infisical_rules.reading import Environment, Violations

__all__ = ["violations"]

_RULES: tuple[Callable[[Environment], Violations], ...] = (
    forms.names,
    forms.text,
    forms.switches,
    forms.numbers,
    forms.lists,
    forms.objects,
    forms.lifetimes,
    forms.metrics,
    forms.groups,
    forms.certificates,
    subjects.keys,
    subjects.site,
    subjects.database,
    subjects.replicas,
    subjects.redis,
    subjects.redis_login,
    subjects.mail,
)


def violations(environment: Environment) -> list[str]:
    """ "VARIABLE: what happens" for everything that ends Infisical, is passed over, or undoes what it seems to do.

    The environment is the whole one, with DB_ROOT_CERT. Sorted; without a value.
    """
    return sorted({f"{name}: {what}" for rule in _RULES for name, what in rule(environment)})
