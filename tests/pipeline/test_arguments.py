"""Words of the command line that no command knows are refused, whatever else it takes."""

from __future__ import annotations

import pytest

from pipeline.arguments import parse


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (["a.jpg", "b.jpg", "--tsv"], ["a.jpg", "b.jpg"]),
        (["--tsv", "a.jpg", "b.jpg"], ["a.jpg", "b.jpg"]),
        (["--tsv", "-"], ["-"]),
        (["--tsv"], []),
    ],
)
def test_files_of_predict_may_stand_before_and_behind_options(
    words: list[str], paths: list[str]
) -> None:
    args = parse(["predict", "RUN", *words])

    assert (args.run, args.paths, args.tsv) == ("RUN", paths, True)


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "RUN", "--tvs", "a.jpg"],
        ["predict", "RUN", "a.jpg", "--tsv", "b.jpg"],
        ["status", "more"],
    ],
)
def test_words_that_no_command_knows_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(words)

    assert "unrecognized arguments" in capsys.readouterr().err
