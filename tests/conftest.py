"""Property tests find the same examples on every run, and leave no files behind."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "unit",
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # the first example pays for imports
)
settings.load_profile("unit")
