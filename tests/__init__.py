"""The tests: one folder a package, one file a module, naive references beside them."""

from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parent / "data"
"""Pictures and arrays that several tests read."""
