"""Gates for any notebook: judge a score, and stop a run that is not good enough.

>>> from mlbot.gates import accuracy, gate
>>> gate("accuracy", accuracy(["a", "b"] * 50, ["a", "b"] * 50), floor=0.9)
✓ gate: accuracy 1.000 (n=100, 95 % 0.954 to 1.000) reaches its floor 0.900

Names are loaded when they are first used, so that `import mlbot.gates` costs nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:  # what type checkers and editors see; at run time see `__getattr__`
    from ..stats.scores import Score as Score
    from ..stats.scores import accuracy as accuracy
    from ..stats.scores import bootstrap as bootstrap
    from ..stats.scores import calibration_error as calibration_error
    from ..stats.scores import macro_f1 as macro_f1
    from ..stats.scores import recall_by_intent as recall_by_intent
    from ..stats.scores import share as share
    from .gating import gate as gate
    from .gating import verdicts as verdicts

PUBLIC = {"gate": "gates.gating", "verdicts": "gates.gating"} | dict.fromkeys(
    ("Score", "accuracy", "bootstrap", "calibration_error", "macro_f1", "recall_by_intent", "share"), "stats.scores")
__all__ = list(PUBLIC)


def __getattr__(name: str):
    if name in PUBLIC:
        from importlib import import_module
        return getattr(import_module(f"mlbot.{PUBLIC[name]}"), name)
    raise AttributeError(f"module 'mlbot.gates' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
