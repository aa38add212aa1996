"""The comparison with peers: who is ranked, what is checked, and what is written."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from benchmarks.metering import Usage
from benchmarks.peers import __main__ as command
from benchmarks.peers import contestants
from benchmarks.peers.contestants import CONTESTANTS, SPEC, Contestant
from benchmarks.peers.layouts import Layouts, lay_out
from benchmarks.peers.outputs import CLOSE, EXACT, SHAPE, fault_of, read_vectors
from benchmarks.peers.plot import plot
from benchmarks.peers.race import HEAD, Result, race, rows, verdicts
from benchmarks.peers.workload import N_FEATURES, vector_of
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.images import decode
from mr_jobs.lib.sequencefile import Writer, open_reader

BARE = CONTESTANTS["bare"]
RNG = np.random.default_rng(0)
VECTORS = {f"{n}.JPEG": RNG.random(N_FEATURES, np.float32) for n in range(3)}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Layouts:
    return lay_out(tmp_path_factory.mktemp("images"), 4)


@pytest.fixture
def impostor(tmp_path: Path) -> Callable[[str], Contestant]:
    """Make a contestant of a few lines that have `images`, `output` and `vectors` of the truth."""

    def make(last: str) -> Contestant:
        bare = Path(contestants.__file__).with_name("bare.py").read_text()
        changed = bare.replace("output.mkdir()", f"{last}\noutput.mkdir()")
        (tmp_path / "impostor.py").write_text(changed)
        return Contestant(str(tmp_path / "impostor"), "impostor")

    return make


def run(layouts: Layouts, scratch: Path, *who: Contestant, rounds: int = 1) -> list[Result]:
    return race([BARE, *who], layouts, scratch, rounds, 1, lambda _: None)


def usage(wall_s: float, cpu_s: float) -> Usage:
    return Usage(wall_s, cpu_s, 100.0, 0)


def test_peers_do_the_work_that_our_job_does(jpeg: Any) -> None:
    spec = FeatureSpec.from_dict(FeatureSpec().to_dict() | json.loads(SPEC))
    for seed, size_px in enumerate([(500, 375), (128, 128), (90, 200)]):
        encoded = jpeg(*size_px, seed=seed)

        ours = spec.from_image(decode(encoded))

        np.testing.assert_allclose(vector_of(encoded), ours, atol=1e-3)


def test_images_are_the_same_in_every_layout(layouts: Layouts) -> None:
    files = {path.name: path.read_bytes() for path in layouts.files.iterdir()}
    bundled = {}
    for path in layouts.bundles.iterdir():
        with open_reader(path) as reader:
            for record in reader.records():
                bundled[record.key.decode().rpartition("/")[2]] = record.value  # type: ignore[union-attr]
    lines = [line.split("\t") for line in (layouts.lines / "images.jsonl").read_text().splitlines()]

    assert len(files) == 4
    assert bundled == files
    assert {json.loads(a): base64.b64decode(json.loads(b)) for a, b in lines} == files


def test_ours_and_the_programs_that_need_no_other_environment_are_ranked(
    layouts: Layouts, tmp_path: Path
) -> None:
    who = [CONTESTANTS[name] for name in ("inline", "local", "joblib_", "mrjob_json")]

    results = run(layouts, tmp_path, *who)

    assert [result.fault for result in results] == [None] * 5
    assert [result.vectors.split()[0] for result in results] == [
        "equal",
        "cosine",
        "cosine",
        "equal",
        "equal",
    ]


def test_slow_contestants_can_run_in_fewer_rounds(layouts: Layouts, tmp_path: Path) -> None:
    slow = CONTESTANTS["joblib_"]._replace(slow=True)

    bare, other = run(layouts, tmp_path, slow, rounds=2)

    assert (len(bare.usages), len(other.usages)) == (2, 1)


@pytest.mark.parametrize(
    ("last", "fault"),
    [
        ("vectors[1] = vectors[1] + 1e-6", "1 vectors differ from the bare loop's"),
        ("del paths[0], vectors[0]", "3 vectors for 4 images"),
        ("vectors = [v[:-1] for v in vectors]", "vectors that are not of 1892 numbers"),
        ("paths[0] = paths[1]", "its vectors cannot be read: 000001.JPEG has more than one vector"),
        ("raise MemoryError('too small')", "ended with 1: MemoryError: too small"),
    ],
)
def test_a_contestant_whose_vectors_are_wrong_is_told_and_not_ranked(
    layouts: Layouts, tmp_path: Path, impostor: Any, last: str, fault: str
) -> None:
    results = run(layouts, tmp_path, impostor(last), rounds=2)

    assert results[1].fault == fault
    assert len(results[1].usages) == 1
    assert rows(results, 4)[1] == ["impostor", *["-"] * (len(HEAD) - 2), fault]
    assert verdicts(results) == []


def test_without_the_bare_loop_nothing_is_ranked(
    layouts: Layouts, tmp_path: Path, impostor: Any
) -> None:
    broken = impostor("raise MemoryError")._replace(title="bare loop")
    results = race([broken], layouts, tmp_path, 2, 2, lambda _: None)

    assert rows(results, 4) == [["bare loop", *["-"] * (len(HEAD) - 2), results[0].fault]]


def test_vectors_are_read_in_each_format(tmp_path: Path) -> None:
    names, matrix = list(VECTORS), np.stack(list(VECTORS.values()))
    folders = [tmp_path / name for name in ("numpy", "parquet", "sequencefile", "json")]
    for folder in folders:
        folder.mkdir()
        (folder / "_SUCCESS").touch()
    np.savez(folders[0] / "vectors.npz", name=names, vector=matrix)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE v (name VARCHAR, vector BLOB)")
        rows = [(f"file:///a/{name}", vector.tobytes()) for name, vector in VECTORS.items()]
        connection.executemany("INSERT INTO v VALUES (?, ?)", rows)
        connection.execute(f"COPY v TO '{folders[1] / 'part.parquet'}' (FORMAT parquet)")
    with (folders[2] / "part-00000").open("wb") as file, Writer(file) as writer:
        for name, vector in VECTORS.items():
            writer.append(f"train/n0/{name}".encode(), vector.tobytes())
    with (folders[3] / "part-00000").open("w") as lines:
        for name, vector in VECTORS.items():
            text = base64.b64encode(vector.tobytes()).decode()
            lines.write(f"{json.dumps(name)}\t{json.dumps(text)}\n")

    for folder in folders:
        assert fault_of(read_vectors(folder), VECTORS, EXACT) is None


def test_what_is_close_enough_depends_on_the_contestant() -> None:
    near = {name: vector + np.float32(0.01) for name, vector in VECTORS.items()}
    far = {name: RNG.random(N_FEATURES, np.float32) for name in VECTORS}

    assert fault_of(near, VECTORS, EXACT) == "3 vectors differ from the bare loop's"
    assert fault_of(near, VECTORS, CLOSE) is None
    assert "cosines of 0.7" in str(fault_of(far, VECTORS, CLOSE))
    assert fault_of(far, VECTORS, SHAPE) is None


@pytest.fixture
def results() -> list[Result]:
    """Three rounds of the bare loop, ours, ours in one process, and a peer that is slower."""
    bare, local, one, peer, absent = (
        Result(CONTESTANTS[name]) for name in ("bare", "local", "local-1", "joblib_", "daft_")
    )
    for number, factor in enumerate((1.0, 2.0, 4.0)):  # the machine becomes slower
        bare.usages[number] = usage(10 * factor, 10 * factor)
        local.usages[number] = usage(4 * factor, 8 * factor)
        one.usages[number] = usage(7.2 * factor, 7.5 * factor)
        peer.usages[number] = usage(6 * factor, 12 * factor)
    peer.usages[1] = usage(15, 30)
    absent.fault = contestants.HOW_TO_INSTALL
    return [bare, peer, one, local, absent]


def test_ratios_are_of_the_same_round(results: list[Result]) -> None:
    table = rows(results, 1000)

    assert [row[0].partition(" (")[0] for row in table] == [
        "bare loop, one process, full decode",
        f"**{CONTESTANTS['local'].title}**",
        f"**{CONTESTANTS['local-1'].title}**",
        "joblib",
        "Daft",
    ]
    assert table[1][1:7] == ["16.00", "0.80 (0.80-0.80)", "8.00", "0.40 (0.40-0.40)", "100", "3"]
    assert table[3][2] == "1.20 (1.20-1.50)"
    assert table[4][-1] == "not installed: run benchmarks/setup"


def test_the_verdict_names_the_best_peer_and_what_processes_bring(results: list[Result]) -> None:
    assert verdicts(results) == [
        "Local runner beside the best peer in CPU, joblib: 0.67 (0.53-0.67) of its CPU.",
        "Local runner beside the best peer in wall time, joblib: "
        "0.67 (0.53-0.67) of its wall time.",
        "Processes on every core beside one: 1.80 (1.80-1.80) times as fast.",
    ]


def test_the_plot_shows_who_is_ranked(results: list[Result], tmp_path: Path) -> None:
    plot(results, 1000, tmp_path / "a.svg")
    plot(results, 1000, tmp_path / "b.svg")

    text = (tmp_path / "a.svg").read_text()
    assert all(word in text for word in ("joblib", "this project, local", "1,000 images", "0.80"))
    assert "Daft" not in text
    assert text == (tmp_path / "b.svg").read_text()


def test_the_command_writes_table_and_plot_and_says_what_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(contestants, "BENCH_ENV", tmp_path / "none")
    arguments = ["--images", "3", "--rounds", "1", "--only", "inline,daft_"]
    monkeypatch.setattr(
        sys, "argv", ["peers", *arguments, "--scratch", str(tmp_path), "--write", str(tmp_path)]
    )

    command.main()

    printed = capsys.readouterr().out
    document = (tmp_path / "benchmarks.md").read_text()
    assert "| Daft | - | - | - | - | - | - | not installed: run benchmarks/setup |" in printed
    assert document.partition("## 3 images\n\n")[2].strip() == printed.strip()
    assert "![CPU and wall time beside the bare loop](benchmarks-3.svg)" in printed
    assert (tmp_path / "benchmarks-3.svg").exists()
    assert not list(tmp_path.glob("benchmark-*/"))


def test_an_unknown_contestant_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", "--only", "dask"])

    with pytest.raises(SystemExit):
        command.main()

    assert "no contestant dask; known: bare, inline" in capsys.readouterr().err
