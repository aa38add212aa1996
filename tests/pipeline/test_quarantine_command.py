"""`bin/pipeline quarantine`: what is not used is listed, shown, and judged anew."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import rows
from pipeline.stores import LocalStore

LENIENT = "[repair]\nmin_decoded_share = 0.3\n"
KEY = "train/n00000000/cut.JPEG"


@pytest.fixture
def stored(cli: Any, folder_data: Any, own_var: Path, jpeg: Callable[..., bytes]) -> LocalStore:
    """Ingest 36 images, one that is cut off and one that is none, into an image store."""
    data = folder_data()
    (data / "n00000000" / "cut.JPEG").write_bytes(jpeg(300, 200)[:-600])
    (data / "n00000001" / "page.JPEG").write_bytes(b"<html>\n404")
    (data / "n00000001" / ".hidden").write_bytes(b"x")
    answer = cli("ingest", data, "--runner", "inline", "--images", "mine")
    assert answer.code == 0, answer.err
    return LocalStore(own_var / "images" / "mine")


@pytest.fixture
def lenient(tmp_path: Path) -> Path:
    path = tmp_path / "lenient.toml"
    path.write_text(LENIENT)
    return path


@pytest.fixture
def quarantine(cli: Any) -> Callable[..., Any]:
    return lambda *args: cli("quarantine", *args, "--runner", "inline")


def statuses(store: LocalStore) -> dict[str, tuple[str, str | None, str | None]]:
    return {row.image_id: (row.status, row.reason, row.repairs) for row in rows(store)}


def catalogue(store: LocalStore) -> list[bytes]:
    return [path.read_bytes() for path in sorted((store.root / "catalog").iterdir())]


def test_the_list_names_everything_that_is_not_used_and_why(
    stored: LocalStore, quarantine: Any
) -> None:
    answer = quarantine("list")

    assert answer.code == 0, answer.err
    assert KEY in answer.out
    assert "train/n00000001/page.JPEG" in answer.out
    assert "1 undecodable" in answer.out
    assert "1 not_an_image" in answer.out


def test_the_list_can_be_read_by_programs(stored: LocalStore, quarantine: Any) -> None:
    as_csv = list(csv.DictReader(io.StringIO(quarantine("list", "--format", "csv").out)))
    as_json = json.loads(quarantine("list", "--format", "json", "--reason", "undecodable").out)

    assert {row["reason"] for row in as_csv} >= {"undecodable", "not_an_image"}
    assert [(row["what"], row["key"], row["width"]) for row in as_json] == [("image", KEY, 300)]


def test_refused_files_are_listed_and_shown_with_their_source(
    stored: LocalStore, quarantine: Any
) -> None:
    stored.write("refused/00000-00000.tsv", [b"train/n00000001.tar\tn1/.hidden\tside_file\n"])

    listed = quarantine("list", "--reason", "side_file").out
    shown = quarantine("show", "n1/.hidden").out

    assert "n1/.hidden" in listed
    assert "train/n00000001.tar" in shown


@pytest.mark.parametrize("name", [KEY, "cut"])
def test_one_image_is_shown_with_all_that_is_known(
    stored: LocalStore, quarantine: Any, name: str
) -> None:
    found = quarantine("show", name, "--json").json()

    assert found["row"]["key"] == KEY
    assert found["verdict"] == "undecodable"
    assert (found["header"]["format"], found["header"]["width_px"]) == ("jpeg", 300)
    assert found["opencv"] == "undecodable: jpeg"
    assert 0.3 < found["decoded_share"] < 1
    assert found["first_bytes"].startswith("ff d8 ff")


def test_what_is_no_image_is_shown_by_its_first_bytes(stored: LocalStore, quarantine: Any) -> None:
    found = quarantine("show", "page", "--json").json()

    assert found["first_text"] == "<html>.404"
    assert "not_an_image" in found["header"]


def test_the_bytes_can_be_taken_out_once(
    stored: LocalStore, quarantine: Any, tmp_path: Path
) -> None:
    to = tmp_path / "page"

    assert quarantine("show", "page", "--to", to).code == 0
    again = quarantine("show", "page", "--to", to)

    assert to.read_bytes() == b"<html>\n404"
    assert again.code == 2
    assert "File exists" in again.err


def test_an_unknown_image_is_said(stored: LocalStore, quarantine: Any) -> None:
    answer = quarantine("show", "nobody")

    assert answer.code == 5
    assert "0 images are called 'nobody'" in answer.err


def test_a_retry_says_what_other_settings_would_change_and_changes_nothing(
    stored: LocalStore, quarantine: Any, lenient: Path
) -> None:
    before = catalogue(stored)

    answer = quarantine("retry", "--config", lenient, "--format", "json")

    assert json.loads(answer.out) == [
        {"key": KEY, "before": "undecodable", "now": "kept (truncated)"}
    ]
    assert "2 judged, 1 verdicts change" in answer.err
    assert catalogue(stored) == before


def test_an_applied_retry_is_what_cataloguing_anew_makes(
    cli: Any, stored: LocalStore, quarantine: Any, lenient: Path, tmp_path: Path
) -> None:
    order = [row.key for row in rows(stored)]
    args = ("ingest", tmp_path / "data", "--runner", "inline", "--config", lenient)

    assert quarantine("retry", "--config", lenient, "--apply").code == 0
    applied = [row.to_line() for row in rows(stored)]
    assert statuses(stored)["cut"] == ("kept", None, "truncated")
    assert cli(*args, "--images", "mine").code == 0
    assert cli(*args, "--images", "anew").code == 0

    assert [row.key for row in rows(stored)] == order
    assert [row.to_line() for row in rows(stored)] == applied
    anew = LocalStore(stored.root.with_name("anew"))
    assert [row.to_line() for row in rows(anew)] == applied
    assert totals(stored) == totals(anew)
    assert totals(stored)["counts"]["repaired_truncated"] == 1


def totals(store: LocalStore) -> Any:
    return json.loads((store.root / "catalog" / "_manifest.json").read_text())


def test_stricter_settings_take_back_what_was_kept(
    stored: LocalStore, quarantine: Any, lenient: Path
) -> None:
    before = catalogue(stored)
    quarantine("retry", "--config", lenient, "--apply")

    answer = quarantine("retry", "--apply", "--format", "csv")

    assert answer.out.splitlines()[1:] == [f"{KEY},kept (truncated),undecodable"]
    assert statuses(stored)["cut"] == ("quarantined", "undecodable", None)
    assert [text for text in catalogue(stored) if text in before]


def test_a_catalogue_of_other_code_is_not_patched(
    stored: LocalStore, quarantine: Any, lenient: Path
) -> None:
    ledger = json.loads((stored.root / "ledger.json").read_text())
    ledger["batches"][0]["catalogued"]["opencv"] = "3.0"
    (stored.root / "ledger.json").write_text(json.dumps(ledger))

    answer = quarantine("retry", "--config", lenient, "--apply")

    assert answer.code == 2
    assert "catalogue all images again" in answer.err
    assert statuses(stored)["cut"][0] == "quarantined"


def test_applying_to_some_reasons_only_is_refused(stored: LocalStore, quarantine: Any) -> None:
    answer = quarantine("retry", "--apply", "--reason", "undecodable")

    assert answer.code == 2
    assert "leave out --reason" in answer.err


def test_an_image_whose_bytes_rotted_is_not_judged(stored: LocalStore, quarantine: Any) -> None:
    row = next(row for row in rows(stored) if row.key == KEY)
    path = stored.root / "bundles" / row.bundle
    content = bytearray(path.read_bytes())
    content[row.span()[1] - 9] ^= 1
    path.write_bytes(content)

    answer = quarantine("retry")

    assert answer.code == 5
    assert f"{KEY}: " in answer.err
    assert "bin/pipeline verify" in answer.err
