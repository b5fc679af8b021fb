"""What External Secrets Operator says of a delivery. Its condition says that it failed, and an event says why."""

import re

from conditions import condition
from delivery_wish import HAS_NO_VALUE, Delivery
from events import latest_warning
from kube import Api, Object

# external-secrets v0.16 to v0.18.1, and from v2.7.0, have words of their own for every 404, be it the secret that is
# missing or its folder (v2.9.0, providers/v1/infisical/client.go:139). Between them the error of Infisical's SDK comes
# through, with what the server says.
_MISSING = re.compile(
    r"\(key: (?P<secret>.+)\), err: "
    r"((?P<any>Secret does not exist)|"
    r"APIError: .* \[status-code=404\] .*\[message=\"Secret with name '.*' not found[^\"]*\"\])$"
)
_OR_MORE = ", or its folder, environment or project is gone there"


def external_says(api: Api, delivery: Delivery) -> str:
    """Return it as the tail of a sentence; empty when it says that all is well."""
    where = f"/apis/external-secrets.io/v1/namespaces/{delivery.namespace}/externalsecrets/{delivery.secret}"
    found = api.find(where)
    if not found or not (ready := condition(found, "Ready")):
        return ", and External Secrets Operator has not looked at it yet"
    if ready["status"] == "True":
        return ""
    return f", and External Secrets Operator says: {_warned(api, found) or ready['message']}"


def _warned(api: Api, found: Object) -> str:
    """Return its latest warning. A missing secret is said as the other operator says it."""
    latest = latest_warning(api, found)
    if latest is None:
        return ""
    message = str(latest.get("message", ""))
    missing = _MISSING.search(message)
    if not missing:
        return message
    return f"{missing['secret']} {HAS_NO_VALUE}{_OR_MORE if missing['any'] else ''}"
