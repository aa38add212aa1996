"""Make the page of a saved run: a pure function of its directory."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup

from mr_jobs.lib.plain_files import open_plain
from pipeline.report import pictures, sections
from pipeline.report.formats import FILTERS, score_format, visible
from pipeline.report.saved import DAMAGE, SavedRun, damaged
from pipeline.report.sections import Section, View

PAGE = "report.html"
_HERE = Path(__file__).parent
_SECTIONS: dict[str, tuple[str, Section]] = {
    "facts": ("The run", sections.facts),
    "images": ("Where the images went", sections.images),
    "classes": ("Images of each synset", sections.classes),
    "sizes": ("Sizes", sections.sizes),
    "synsets": ("Error of each synset", sections.synsets),
    "confusion": ("Confusion", sections.confusion),
    "mistakes": ("Most confident mistakes", pictures.mistakes),
    "calibration": ("Calibration", sections.calibration),
    "by_size": ("Error by size", sections.by_size),
    "hierarchy": ("Hierarchical cost", sections.hierarchy),
    "ablation": ("What was tried", sections.ablation),
    "sheets": ("Contact sheets", pictures.sheets),
    "glyphs": ("What HOG sees", pictures.glyphs),
    "quarantine": ("Quarantined images", pictures.quarantine),
    "steps": ("Seconds", sections.steps),
}


def generator() -> str:
    """Name the code that makes pages; it changes with the code."""
    paths = sorted(path for path in _HERE.iterdir() if path.suffix in (".py", ".j2", ".css", ".js"))
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()
    return f"imagenet-on-hadoop report {digest[:12]}"


def render(run_dir: Path) -> str:
    """Make the page of a saved run.

    The same directory gives the same bytes.

    Raises
    ------
    DataError
        It is not a saved run, or a file in it is damaged.
    """
    run = SavedRun.load(run_dir)
    try:
        return _page_of(run)
    except (*DAMAGE, TemplateError) as error:  # a stranger's directory can hold anything
        raise damaged(run_dir, error) from error


def _page_of(run: SavedRun) -> str:
    view: View = {"figures": {}}
    shown = []
    for id_, (title, section) in _SECTIONS.items():
        found = section(run)
        if found is None:
            continue
        shown.append((id_, title))
        view["figures"] |= found.pop("figures", {})
        view |= found
    data = str(run.metrics["data"])
    view |= {
        "sections": shown, "run_id": run.run_id, "metrics": run.metrics, "model": run.model,
        "data_name": data.rstrip("/").rpartition("/")[2] or data,
        "errors": sections.errors(run), "top_k": run.top_k,
        "n_top1_errors": sum(row.n_top1_errors for row in run.synsets),
        "n_topk_errors": sum(row.n_topk_errors for row in run.synsets),
        "probabilities": run.gives_probabilities,
    }  # fmt: skip
    return page("report.html.j2", view, run.words, probabilities=run.gives_probabilities)


def page(template: str, view: View, names: dict[str, str], *, probabilities: bool = True) -> str:
    """Fill a template of this folder; `names` are the words of the synsets."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    environment.filters |= FILTERS | {"score": score_format(probabilities=probabilities)}
    script = (_HERE / "sort.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {
        "names": names,
        "generator": generator(),
        "style": Markup((_HERE / "style.css").read_text("utf-8")),  # noqa: S704  # our own file
        "script": Markup(script),  # noqa: S704  # likewise
        "script_hash": f"sha256-{digest}",
    }
    return environment.get_template(template).render(view)


def is_current(path: Path) -> bool:
    """Say whether a page was made by this code."""
    try:
        with open_plain(path) as file:
            return generator().encode() in file.read(1000)
    except OSError:
        return False
