"""Recognise the layouts that data sets of images come in; list what is in them.

ILSVRC's tars, its tree for the tasks CLS-LOC, DET and VID (CLS-LOC's as on Kaggle), a folder of
one folder or tar per class, WebDataset's shards, Flume's landing files; on this machine or in HDFS.
"""

from pipeline.layouts.find import find_raw_data
from pipeline.layouts.landing import landed_members
from pipeline.layouts.listing import folder_files
from pipeline.layouts.members import checked_members
from pipeline.layouts.raw import AnnotationSource, RawData, RawPath, RawSource
from pipeline.layouts.webdataset import webdataset_labels

__all__ = [
    "AnnotationSource",
    "RawData",
    "RawPath",
    "RawSource",
    "checked_members",
    "find_raw_data",
    "folder_files",
    "landed_members",
    "webdataset_labels",
]
