"""The README and the pages of `nbs/docs`, which tests keep true."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *(ROOT / "nbs" / "docs" / f"{name}.md" for name in
         "company your-data project verdicts gates-anywhere model ci retraining cache bot servers scale tools "
         "red-gate try-a-verdict glossary".split())]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
