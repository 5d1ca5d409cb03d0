"""How hypothesis tries examples: however long one takes, as no test measures time."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
