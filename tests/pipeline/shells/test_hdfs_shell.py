"""The HDFS shell does what its commands say, completes paths, and refuses in one sentence."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.sequencefile import Writer
from pipeline.shells.console import LeaveError
from pipeline.shells.hdfs import COMMANDS, HdfsCommands, HdfsShell
from tests.pipeline.shells.fake_hdfs import FakeFiles


class Shell(HdfsShell):
    """The shell over a directory of this machine."""

    def __init__(self, root: Path) -> None:
        self.out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        self._files = FakeFiles(root)
        self._commands = HdfsCommands(self._files, self.out)

    def __call__(self, line: str) -> str:
        """Do a line and return what it prints."""
        buffer = self.out.buffer
        assert isinstance(buffer, io.BytesIO)
        buffer.seek(0)
        buffer.truncate()
        self.take(line)
        self.out.flush()
        return buffer.getvalue().decode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make /data with a text of 20 lines, a folder with a space in its name, and a file in it."""
    data = tmp_path / "hdfs" / "data"
    (data / "my photos").mkdir(parents=True)
    (data / "words.txt").write_text("".join(f"line {n}\n" for n in range(20)))
    (data / "my photos" / "a.jpg").write_bytes(b"\xff\xd8\x00")
    return tmp_path / "hdfs"


@pytest.fixture
def shell(root: Path) -> Shell:
    return Shell(root)


def test_ls_prints_what_hadoops_own_prints_in_the_same_order(shell: Shell) -> None:
    lines = shell("ls /data").splitlines()

    assert [line.split("  ")[-1] for line in lines] == ["/data/my photos", "/data/words.txt"]
    assert lines[0].startswith("drwxr-xr-x  -  somebody  supergroup    0  2026-09-")
    assert lines[1].startswith("-rw-r--r--  1  somebody  supergroup  150  2026-09-")


@pytest.mark.parametrize("prefix", ["hdfs dfs -", "hadoop fs -", "-"])
def test_what_people_know_of_hadoop_works_as_it_is(shell: Shell, prefix: str) -> None:
    assert shell(f"{prefix}ls /data") == shell("ls /data")


def test_paths_go_from_the_working_directory(shell: Shell) -> None:
    shell("cd /data/my\\ photos")

    assert shell("pwd") == "/data/my photos\n"
    assert shell("ls ..") == shell("ls /data")
    assert shell("ls hdfs:///data") == shell("ls /data")
    assert shell("ls hdfs://127.0.0.1:9000/data") == shell("ls /data")
    assert shell.prompt == "hdfs:/data/my photos> "


def test_another_clusters_path_is_refused(shell: Shell) -> None:
    with pytest.raises(ConfigError, match="hdfs://elsewhere:1/data is not in this cluster's HDFS"):
        shell("ls hdfs://elsewhere:1/data")


def test_patterns_mean_all_that_fits_them(shell: Shell) -> None:
    assert shell("ls -d /da*/*.txt").split("  ")[-1] == "/data/words.txt\n"
    with pytest.raises(ConfigError, match=r"/data/\*.png: nothing in HDFS has such a name"):
        shell("ls /data/*.png")


def test_cat_head_and_tail_print_bytes_as_they_are(shell: Shell, root: Path) -> None:
    assert shell("cat /data/words.txt") == (root / "data/words.txt").read_text()
    assert shell("head -n 2 /data/words.txt") == "line 0\nline 1\n"
    assert shell("head -1 /data/words.txt") == "line 0\n"
    assert shell("tail -n 1 /data/words.txt") == "line 19\n"
    assert len(shell("head /data/words.txt").splitlines()) == 10


def test_text_reads_sequencefiles_and_gzip(shell: Shell, root: Path) -> None:
    with (root / "data/b.seq").open("wb") as file, Writer(file) as writer:
        writer.append(b"train/n1/a\x1b[2J.jpg", b"12345")
        writer.append(b"train/n1/b.jpg", b"123")
    (root / "data/w.gz").write_bytes(gzip.compress(b"one\ntwo\n"))

    lines = shell("text /data/b.seq").splitlines()

    assert lines[0].startswith("SequenceFile of ")
    assert lines[1:] == ["train/n1/a\\x1b[2J.jpg\t5 bytes", "train/n1/b.jpg\t3 bytes"]
    assert len(shell("text -n 1 /data/b.seq").splitlines()) == 2  # with what the file is
    assert shell("text -n 1 /data/w.gz") == "one\n"


def test_tree_draws_all_below(shell: Shell) -> None:
    assert shell("tree /data") == (
        "/data\n├── my photos/\n│   └── a.jpg  (3 B)\n└── words.txt  (150 B)\n"
    )
    assert "a.jpg" not in shell("tree -L 1 /data")


def test_files_go_there_and_back_unchanged(shell: Shell, tmp_path: Path) -> None:
    local = tmp_path / "photos" / "deep"
    local.mkdir(parents=True)
    (local / "b.jpg").write_bytes(b"\x00\x01")

    shell(f"put {tmp_path / 'photos'} /data")
    shell(f"get /data/photos {tmp_path / 'back'}")

    assert (tmp_path / "back" / "deep" / "b.jpg").read_bytes() == b"\x00\x01"
    assert sorted(path.name for path in (tmp_path / "back").rglob("*")) == ["b.jpg", "deep"]


def test_put_and_get_overwrite_only_when_told(shell: Shell, root: Path, tmp_path: Path) -> None:
    mine = tmp_path / "words.txt"
    mine.write_text("mine")

    with pytest.raises(ConfigError, match=r"/data/words\.txt is there already; put -f"):
        shell(f"put {mine} /data")
    with pytest.raises(ConfigError, match=r"words\.txt is there already; get -f"):
        shell(f"get /data/words.txt {mine}")
    assert mine.read_text() == "mine"
    shell(f"put -f {mine} /data")
    assert (root / "data/words.txt").read_text() == "mine"


def test_rm_takes_directories_only_with_r_and_never_all(shell: Shell, root: Path) -> None:
    with pytest.raises(ConfigError, match="/data is a directory: rm -r removes it"):
        shell("rm /data")
    with pytest.raises(ConfigError, match="/ is all of HDFS"):
        shell("rm -r /")
    shell("rm -r /data/my\\ photos")
    assert not (root / "data/my photos").exists()


def test_mkdir_and_mv_make_and_move(shell: Shell, root: Path) -> None:
    shell("mkdir /data/new")
    shell("mv /data/words.txt /data/new")

    assert (root / "data/new/words.txt").is_file()
    with pytest.raises(ConfigError, match="/data/new is there already"):
        shell("mkdir /data/new")
    shell("mkdir -p /data/new")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("lls", "no command lls; there: ls, tree"),
        ("ls -z /", r"ls has no option -z: ls \[-R\]"),
        ("head", "head wants head"),
        ("head -n x /data/words.txt", "head: a whole number belongs after -n"),
        ("cat '/data", "the line is not complete: no closing quotation"),
        ("cat /nope", "/nope: no such file or directory in HDFS"),
        ("cat /data", "/data is a directory"),
        ("cd /data/words.txt", "/data/words.txt is no directory"),
        ("put /no/such/file /data", "/no/such/file is not on this machine"),
        ("head /data/*", r"/data/\* means 2 files; head takes one"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(shell: Shell, line: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        shell(line)


def test_empty_lines_and_comments_do_nothing(shell: Shell) -> None:
    assert shell("  ") == shell("# a comment") == shell("hdfs dfs") == ""


def test_exit_leaves(shell: Shell) -> None:
    with pytest.raises(LeaveError):
        shell("exit")


@pytest.mark.parametrize(
    ("before", "word", "found"),
    [
        ("l", "l", ["ls "]),
        ("ls /d", "d", ["data/"]),
        ("ls /data/", "", ["my\\ photos/", "words.txt "]),
        ("ls /data/w", "w", ["words.txt "]),
        ("cat /data/my\\ ph", "ph", ["photos/"]),
        ("cat /data/my\\ photos/", "", ["a.jpg "]),
        ("ls /nope/x", "x", []),
    ],
)
def test_tab_completes_commands_and_paths(
    shell: Shell, before: str, word: str, found: list[str]
) -> None:
    if "nope" in before:
        with pytest.raises(ConfigError):  # which the console takes for nothing
            shell.complete(before, word)
    else:
        assert shell.complete(before, word) == found


def test_tab_completes_files_of_this_machine_where_put_takes_them(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "photo.jpg").touch()
    monkeypatch.chdir(tmp_path / "here")

    assert shell.complete("put ph", "ph") == ["photo.jpg "]
    assert shell.complete("put photo.jpg /d", "d") == ["data/"]
    assert shell.complete("get /data/words.txt p", "p") == ["photo.jpg "]


def test_every_command_has_help(shell: Shell) -> None:
    lines = shell("help").splitlines()

    assert [line.split()[0] for line in lines] == list(COMMANDS)
