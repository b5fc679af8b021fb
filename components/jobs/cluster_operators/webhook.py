"""Asks an admission webhook what it thinks of an object, and creates nothing."""

import http.client
import json

from kube import REQUEST_TIMEOUT_SECONDS, Api, Object


class Webhook(Api):
    """The collection of a kind, as the API server admits an object into it in a dry run."""

    def __init__(self, collection: str) -> None:
        super().__init__()
        self._collection = collection

    def judges(self, manifest: Object) -> str:
        """Return why the object would be refused, empty when it would not. An answer that says nothing is a reason."""
        headers = {"Authorization": f"Bearer {self._token.read_text().strip()}", "Content-Type": "application/json"}
        connection = http.client.HTTPSConnection(
            self._url.hostname or "", self._url.port, timeout=REQUEST_TIMEOUT_SECONDS, context=self._tls
        )
        try:
            connection.request("POST", f"{self._collection}?dryRun=All", json.dumps(manifest), headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            return f"API server {self._url.netloc}: {error}"
        finally:
            connection.close()
        return str(self._refusal("POST", response.status, answer)) if response.status >= 300 else ""
