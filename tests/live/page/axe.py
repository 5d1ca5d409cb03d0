"""axe-core finds what assistive technology cannot use; fetched by `npm pack`, never committed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "axe-core@4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
CACHE = Path(tempfile.gettempdir()) / "unveil-tests"
"""Kept between runs; the checksum is compared each time."""


class NoAxe(Exception):
    """axe-core cannot be fetched here."""


def axe_source() -> str:
    """Return the script of axe-core.

    Raises
    ------
    NoAxe
        There is no npm, or it cannot fetch the package.
    """
    path = CACHE / "axe.min.js"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        npm = shutil.which("npm")
        if npm is None:
            raise NoAxe("needs npm, which fetches axe-core")
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            done = subprocess.run(
                [npm, "pack", "--silent", PACKAGE],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise NoAxe(f"npm pack {PACKAGE}: {done.stderr.strip()[-300:]}")
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as package:
                member = package.extractfile("package/axe.min.js")
                assert member is not None
                new = Path(folder) / path.name
                new.write_bytes(member.read())
            new.replace(path)
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    assert found == SHA256, f"{path}: SHA-256 {found} is not the expected one; delete the file"
    return data.decode("utf-8")


def violations(page: Any, source: str) -> list[str]:
    """Run axe-core; describe what is wrong, in any way that it rates moderate or worse."""
    page.evaluate(source)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{found['impact']} {found['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for found in result["violations"]
        if found["impact"] != "minor"
        for node in found["nodes"]
    ]
