"""`unveil audit` on several calls: folders, index, JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import Result

from tests.auditing.test_page import Elements
from tests.command import unveil
from unveil.auditing.saved import AuditFiles
from unveil.recovery.result import AUDIT, FILES, PAGE, REDACTED

METHOD = ("--method", "transitions")


@pytest.fixture(scope="module")
def folder(call: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the call under two names, one of which needs escapes, beside a file that is no video."""
    folder = tmp_path_factory.mktemp("calls")
    for name in ("a & <b>.mp4", "plain.mp4"):
        (folder / name).write_bytes(call.read_bytes())
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def done(folder: Path) -> Result:
    catalogue = folder / "all.parquet"
    return unveil(
        "audit", folder, "-o", folder / "report", *METHOD, "--json", "--catalog", catalogue
    )


def test_a_file_that_fails_stops_no_other(done: Result, folder: Path) -> None:
    assert done.exit_code == 1
    # Several are audited at once, so the order is that in which they end.
    told = {line["input"]: line for line in map(json.loads, done.stdout.splitlines())}
    lines = [told[name] for name in ("a & <b>.mp4", "plain.mp4", "text.mp4")]
    assert [line["state"] for line in lines] == ["audited", "audited", "failed"]
    assert lines[2]["audit"] is None
    assert "text.mp4" in lines[2]["error"]
    for line in lines[:2]:
        page = Path(line["page"])
        assert {path.name for path in page.parent.iterdir()} == {*FILES, PAGE, AUDIT}
        assert line["audit"] == json.loads((page.parent / AUDIT).read_text())
        assert line["audit"]["grade"] == "D"


def test_the_catalogue_has_the_audits(done: Result, folder: Path) -> None:
    told = {line["input"]: line["audit"] for line in map(json.loads, done.stdout.splitlines())}
    table = pq.read_table(folder / "all.parquet")
    columns = [column.name for column in AuditFiles.columns]
    assert len(table) == len(told) == 3
    for row in table.select(["name", *columns]).to_pylist():
        audit = told[row.pop("name")] or {}
        assert row == {column: audit.get(column) for column in columns}


def test_the_index_lists_all_and_leads_to_the_pages(done: Result, folder: Path) -> None:
    index = Elements((folder / "report" / PAGE).read_text())
    links = [address for address in index.addresses if address != "#verdict"]
    assert links == ["a%20_%20_b_/index.html", "plain/index.html"]
    assert "text.mp4: " in index.text
    assert "a & <b>.mp4" in index.text


def test_a_later_audit_is_added_to_the_index(done: Result, folder: Path, tmp_path: Path) -> None:
    third = tmp_path / "third.mp4"
    third.write_bytes((folder / "plain.mp4").read_bytes())
    added = unveil("audit", third, "-o", folder / "report", *METHOD)
    assert added.exit_code == 0
    index = Elements((folder / "report" / PAGE).read_text())
    assert "third/index.html" in index.addresses
    assert "plain/index.html" in index.addresses
    assert "text.mp4" not in index.text


def test_one_call_has_no_index_and_prints_its_verdict(call: Path, tmp_path: Path) -> None:
    done = unveil("audit", call, "-o", tmp_path, *METHOD)
    assert done.exit_code == 0
    assert "of the room can be reconstructed" in done.stdout
    assert "Grade D." in done.stdout
    assert str(tmp_path / "call" / PAGE) in done.stdout.replace("\n", "")
    assert not (tmp_path / PAGE).exists()


def test_a_page_of_somebody_else_is_not_replaced(call: Path, tmp_path: Path) -> None:
    (tmp_path / PAGE).write_text("<title>mine</title>")
    done = unveil("audit", call, "-o", tmp_path, *METHOD)
    assert done.exit_code == 1
    assert "is no index of audits" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [PAGE]
    assert (tmp_path / PAGE).read_text() == "<title>mine</title>"


@pytest.mark.parametrize(("percent", "exit_code"), [("5", 3), ("100", 0), ("101", 2), ("-1", 2)])
def test_the_exit_code_tells_of_too_much_leakage(
    call: Path, tmp_path: Path, percent: str, exit_code: int
) -> None:
    done = unveil("audit", call, "-o", tmp_path, *METHOD, "--fail-over", percent)
    assert done.exit_code == exit_code
    assert (tmp_path / "call" / PAGE).exists() == (exit_code != 2)


def test_a_file_that_fails_outweighs_leakage(folder: Path, tmp_path: Path) -> None:
    files = (folder / "plain.mp4", folder / "text.mp4", tmp_path / "no.mp4")
    options = (*METHOD, "--no-isolate", "--fail-over", "0")
    done = unveil("audit", *files, "-o", tmp_path / "out", *options)
    assert done.exit_code == 1
    assert "this is a bug" not in done.stderr
    assert "plain.mp4" in done.stdout
    index = Elements((tmp_path / "out" / PAGE).read_text())
    assert "no such file" in index.text


def test_redact_writes_a_copy_beside_the_page(call: Path, tmp_path: Path) -> None:
    done = unveil("audit", call, "-o", tmp_path, *METHOD, "--redact", "--quiet")
    assert done.exit_code == 0
    assert done.stdout == ""
    assert (tmp_path / "call" / REDACTED[0]).stat().st_size > 0
    refused = unveil("audit", call, "-o", tmp_path / "b", *METHOD, "--redact", "--stride", "2")
    assert refused.exit_code == 2
    assert "--redact" in refused.stderr
    assert not (tmp_path / "b").exists()
