"""mlbot: train, judge and release the intent model of a bot, in notebooks.

Its public names are loaded when they are first used, so that `import mlbot` costs nothing:

>>> import mlbot
>>> model = mlbot.load("models")  # doctest: +SKIP
>>> model.predict("please reset my password", role="sales").intent  # doctest: +SKIP
'reset_password'
"""

TYPE_CHECKING = False
if TYPE_CHECKING:  # what type checkers and editors see; at run time see `__getattr__`
    from .data.split import split as split
    from .data.table import Columns as Columns
    from .data.table import read_utterances as read_utterances
    from .gates.gating import gate as gate
    from .gates.verdict import judge as judge
    from .model.predict import Predictor as Predictor
    from .model.predict import load as load
    from .model.train import train as train
    from .settings import Settings as Settings
    from .settings import load_settings as load_settings
    from .stats.scores import accuracy as accuracy
    from .stats.scores import bootstrap as bootstrap
    from .stats.scores import macro_f1 as macro_f1
    from .stats.scores import share as share

PUBLIC = {"load": "model.predict", "Predictor": "model.predict", "train": "model.train", "read_utterances": "data.table",
          "Columns": "data.table", "split": "data.split", "share": "stats.scores", "accuracy": "stats.scores",
          "macro_f1": "stats.scores", "bootstrap": "stats.scores", "gate": "gates.gating", "judge": "gates.verdict",
          "Settings": "settings", "load_settings": "settings"}
__all__ = list(PUBLIC)


def __getattr__(name: str):
    if name in PUBLIC:
        from importlib import import_module
        return getattr(import_module(f"mlbot.{PUBLIC[name]}"), name)
    if name == "__version__":
        from mlbot.origin import own_version
        return own_version()
    raise AttributeError(f"module 'mlbot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC, "__version__"])
