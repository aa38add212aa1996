"""Recognise a data set's layout."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from mr_jobs.lib.errors import ConfigError, DataError
from mr_jobs.lib.imagenet import UNLABELLED
from pipeline.hdfspath import HdfsPath
from pipeline.layouts.annotated import find_annotations
from pipeline.layouts.labels import LABEL_FILES, Labels
from pipeline.layouts.landing import landing_sources
from pipeline.layouts.listing import entries
from pipeline.layouts.raw import RawData, RawPath, RawSource
from pipeline.layouts.tars import folder_of_tars, official_sources, official_tars, tar_file_sources
from pipeline.layouts.trees import class_sources, det_sources, split_folders, task_tree, vid_sources

_EXPECTED = (
    "expected ILSVRC2012_img_train.tar (a tar of one tar per wnid), ILSVRC/Data/CLS-LOC, DET or "
    "VID, one folder or tar per class, or WebDataset shards"
)
_PACKED = (".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_SCANNED = 1000  # entries, to say what was found


def find_raw_data(root: RawPath, *, allow_damaged: bool = False) -> RawData:
    """List the raw sources of a data set: a folder, or one tar.

    No link is followed out of the data set, and hidden files are left out.

    Raises
    ------
    ConfigError
        If there is no such directory or file.
    DataError
        If nothing in it is a known layout, it can be read in two ways, or a tar is damaged and
        `allow_damaged` is false.
    """
    warnings: list[str] = []
    if root.is_file():
        return _one_file(root, warnings, allow_damaged=allow_damaged)
    if not root.is_dir():
        raise ConfigError(
            f"no such data directory: {root}; give one with --data, or leave it out to use the "
            "synthetic sample"
        )
    task, homes, layout, sources = _recognise(root, warnings, allow_damaged=allow_damaged)
    if not sources:
        raise DataError(f"{root}: no images in a known layout: {_told(root)}; {_EXPECTED}")
    if isinstance(root, HdfsPath) and any(source.kind == "folder" for source in sources):
        layout = "small files in HDFS"
    files = Labels(homes, task, warnings)
    words = files.words
    if task != "CLS-LOC" and words:  # a folder's wnid that is none of the task's is known as well
        wnids = (s.wnid for s in sources if s.wnid != UNLABELLED)
        words = {**{wnid: wnid for wnid in wnids}, **words}
    return _with_labels(
        RawData(
            root=root,
            sources=sources,
            words=words,
            val_labels=files.of_val() if task == "CLS-LOC" else {},
            ilsvrc_ids=files.ilsvrc_ids,
            tree_file=files.tree_file(),
            synthetic=(root / "SYNTHETIC.txt").is_file(),
            warnings=warnings,
            layout=layout,
            annotations=find_annotations(homes, task, warnings),
        )
    )


def _recognise(
    root: RawPath, warnings: list[str], *, allow_damaged: bool
) -> tuple[str, list[RawPath], str, list[RawSource]]:
    """Return task, folders of label files, layout and sources; the first layout that fits."""
    tree = task_tree(root)
    if tree:
        task, base, folder = tree
        homes = [root, base] if base.parent == root else [base, base.parent]
        if task == "DET":
            return task, homes, task, list(det_sources(root, folder, warnings))
        if task == "VID":
            return task, homes, task, list(vid_sources(root, folder, warnings))
        sources = list(class_sources(root, folder, warnings))
        return task, homes, "Kaggle tree", sources
    landed = landing_sources(root)
    if landed:
        return "CLS-LOC", [root], "Flume landing", landed
    tars = official_tars(root, warnings)
    if tars:
        sources = list(official_sources(tars, warnings, allow_damaged=allow_damaged))
        if split_folders(root, root, []):
            found = class_sources(root, root, warnings)
            sources += [source for source in found if source.split not in tars]
        return "CLS-LOC", [root], "ILSVRC tars", sources
    layout, sources = folder_of_tars(root, warnings)
    if not sources:
        layout, sources = "class folders", list(class_sources(root, root, warnings))
    return "CLS-LOC", [root], layout, sources


def _one_file(path: RawPath, warnings: list[str], *, allow_damaged: bool) -> RawData:
    """Recognise one tar; the label files are looked for beside it."""
    if PurePosixPath(path.name).suffix != ".tar":
        raise DataError(
            f"{path}: is a file, but no .tar; give a tar of images (not compressed) or a folder"
        )
    layout, sources = tar_file_sources(path, warnings, allow_damaged=allow_damaged)
    files = Labels([path.parent], "CLS-LOC", warnings)
    return _with_labels(
        RawData(
            root=path,
            sources=sources,
            words=files.words,
            val_labels=files.of_val(),
            ilsvrc_ids=files.ilsvrc_ids,
            tree_file=files.tree_file(),
            synthetic=(path.parent / "SYNTHETIC.txt").is_file(),
            warnings=warnings,
            layout=layout,
            annotations=find_annotations([path.parent], "CLS-LOC", warnings),
        )
    )


def _with_labels(data: RawData) -> RawData:
    """Return the data, unless its validation images need labels and there are none."""
    data.warnings[:] = dict.fromkeys(data.warnings)  # a folder may be looked at twice
    need = any(
        source.split == "val" and not source.wnid and source.kind != "webdataset"
        for source in data.sources
    )
    if need and not data.val_labels:
        raise DataError(
            f"{data.root}: the validation images have no labels; expected {LABEL_FILES}"
        )
    return data


def _told(root: RawPath) -> str:
    """Say what is in a folder that was not understood."""
    kinds: Counter[str] = Counter()
    packed = ""
    for _, entry in zip(range(_SCANNED), entries(root), strict=False):
        suffix = PurePosixPath(entry.name).suffix.lower()
        kinds["folders" if entry.is_dir else "links" if entry.is_link else suffix or "files"] += 1
        if entry.name.lower().endswith(_PACKED):
            packed = packed or entry.name
    if packed:
        return f"found {packed}, which has to be unpacked first (the tars in it need not be)"
    told = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(4))
    return f"found {told}" if told else "the folder is empty"
