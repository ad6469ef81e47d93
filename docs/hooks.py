"""Pages of the site that are made of other files: README and its like, and the API from the docstrings."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
# Files beside docs/, by the names of their pages.
BESIDE = {"README.md": "index.md", "README.zh-CN.md": "zh.md", "CONTRIBUTING.md": "contributing.md"}
BESIDE |= {"SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md"}
ORDER = {
    "Start": ["index.md", "zh.md", "own_data.md"],
    "Tasks": ["tabular.md", "transfer.md", "text.md", "tagging.md", "translation.md", "dialogue.md", "forecasting.md"],
    "Results": ["results.md", "speed.md"],
    "Running": ["training.md", "study.md", "using_a_model.md", "multinode.md"],
    "The code": ["how_it_is_built.md", "contributing.md", "security.md", "changelog.md"],
}
TITLES = {"index.md": "Start", "zh.md": "中文"}
PACKAGES = ("modules", "datamodules", "experiments")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages that there are in order; those that nobody put anywhere come last."""
    there = {path.name for path in (ROOT / "docs").glob("*.md")} | set(BESIDE.values())
    named = {page for pages in ORDER.values() for page in pages}
    nav: list[Any] = [
        {part: [{TITLES[page]: page} if page in TITLES else page for page in pages if page in there]}
        for part, pages in ORDER.items()
    ]
    if rest := sorted(there - named):
        nav.append({"More": list(rest)})
    config.nav = [*nav, {"API": [{name: page} for name, page, _ in api()]}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for source, page in BESIDE.items():
        files.append(File.generated(config, page, content=rewritten((ROOT / source).read_text(encoding="utf-8"))))
    for _, page, content in api():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Leave out links to files that are no pages, such as configs."""
    return re.sub(r"\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", markdown)


def rewritten(text: str) -> str:
    """A text whose links are right from within docs/."""
    text = re.sub(r"\]\(docs/", "](", text)
    for source, page in BESIDE.items():
        text = text.replace(f"]({source})", f"]({page})")
    return text


def api() -> Iterator[tuple[str, str, str]]:
    """Name, file and content of a page for every folder of the packages."""
    for package in PACKAGES:
        for folder in sorted({path.parent for path in (ROOT / package).rglob("*.py")}):
            name = ".".join(folder.relative_to(ROOT).parts)
            modules = [path.stem for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")]
            if modules:
                blocks = [f"::: {name}.{module}\n" for module in modules]
                yield name, f"api/{name}.md", "\n".join([f"# {name}\n", *blocks])
