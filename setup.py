"""Packages mlbot. Every fact comes from settings.ini; pyproject.toml configures tools only."""

import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
settings = ConfigParser(interpolation=None)
settings.read(ROOT / "settings.ini", encoding="utf-8")
package = settings["package"]
extras = {name: words.split() for name, words in settings["extras"].items()}


class BuildWithNotebooks(build_py):
    """A wheel also carries settings.ini (the defaults), the notebooks and the pages, which live outside the package."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        home = Path(self.build_lib) / "mlbot"
        shutil.copy(ROOT / "settings.ini", home / "settings.ini")
        for folder, name in (("pipeline", "notebooks"), ("explore", "explore")):
            (home / name).mkdir(exist_ok=True)
            for notebook in sorted((ROOT / "nbs" / folder).glob("*.ipynb")):
                shutil.copy(notebook, home / name)
        shutil.copytree(ROOT / "nbs" / "docs", home / "shipped" / "pages", dirs_exist_ok=True,
                        ignore=lambda folder, names: [name for name in names if "." in name and not name.endswith(".md")])


setup(
    name=package["name"],
    version=package["version"],
    description=package["description"],
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=package["author"],
    license=package["license"],
    keywords=package["keywords"].split(),
    python_requires=">=" + package["python"],
    packages=find_packages(include=["mlbot", "mlbot.*"]),
    package_data={"mlbot": ["shipped/sample/*", "shipped/company/*", "shipped/company/wordings/*",
                             "shipped/company/values/*", "shipped/words/*", "shipped/people/*", "shipped/workflows/*",
                             "shipped/project/*", "shipped/docs/*", "shipped/bot/*", "shipped/bot/*/*", "web/*", "deploy/*",
                            "templates/*", "py.typed"]},
    install_requires=package["requirements"].split(),
    extras_require=extras,
    entry_points={
        "console_scripts": ["mlbot = mlbot.cli.main:main"],
        "pytest11": ["mlbot = mlbot.run.pytest_plugin"],
    },
    cmdclass={"build_py": BuildWithNotebooks},
)
