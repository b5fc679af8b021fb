"""Which tests run only when they are asked for."""

import os

import pytest

# Minutes each, and of what shorter tests cover in part. Whoever changes what they are about runs them.
thorough = pytest.mark.skipif("THOROUGH" not in os.environ, reason="make e2e THOROUGH=1")
