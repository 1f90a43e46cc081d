"""The README and the pages of `nbs/docs`, which tests keep true."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "nbs" / "docs"
PAGES = [ROOT / "README.md", *(DOCS / f"{name}.md" for name in
         "company your-data project verdicts gates-anywhere model ci retraining cache bot servers scale tools "
         "how-to/red-gate why/try-a-verdict glossary".split())]
PAGES += sorted(set(DOCS.rglob("*.md")) - set(PAGES) - {DOCS / "start" / "tutorial.md"})
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
TUTORIAL = DOCS / "start" / "tutorial.md"  # its commands have a test of their own
PAGES.append(TUTORIAL)
