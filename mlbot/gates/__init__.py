"""Gates for any notebook: judge a score, and stop a run that is not good enough.

>>> from mlbot.gates import accuracy, gate
>>> gate("accuracy", accuracy(["a", "b"] * 50, ["a", "b"] * 50), floor=0.9)
✓ gate: accuracy 1.000 (n=100, 95 % 0.954 to 1.000) reaches its floor 0.900

Names are loaded when they are first used, so that `import mlbot.gates` costs nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:  # what type checkers, editors and the cache of results see; at run time see `__getattr__`
    from ..stats.metrics import average_precision as average_precision
    from ..stats.metrics import balanced_accuracy as balanced_accuracy
    from ..stats.metrics import bias as bias
    from ..stats.metrics import brier_score as brier_score
    from ..stats.metrics import f1 as f1
    from ..stats.metrics import hamming_loss as hamming_loss
    from ..stats.metrics import interval_coverage as interval_coverage
    from ..stats.metrics import log_loss as log_loss
    from ..stats.metrics import macro_recall as macro_recall
    from ..stats.metrics import matthews_corrcoef as matthews_corrcoef
    from ..stats.metrics import mean_absolute_error as mean_absolute_error
    from ..stats.metrics import mean_of as mean_of
    from ..stats.metrics import mean_reciprocal_rank as mean_reciprocal_rank
    from ..stats.metrics import median_absolute_error as median_absolute_error
    from ..stats.metrics import median_of as median_of
    from ..stats.metrics import metric_of as metric_of
    from ..stats.metrics import multilabel_f1 as multilabel_f1
    from ..stats.metrics import ndcg as ndcg
    from ..stats.metrics import percentile_of as percentile_of
    from ..stats.metrics import precision as precision
    from ..stats.metrics import precision_at_k as precision_at_k
    from ..stats.metrics import precision_at_recall as precision_at_recall
    from ..stats.metrics import quantile_loss as quantile_loss
    from ..stats.metrics import r2 as r2
    from ..stats.metrics import recall as recall
    from ..stats.metrics import recall_at_k as recall_at_k
    from ..stats.metrics import recall_at_precision as recall_at_precision
    from ..stats.metrics import roc_auc as roc_auc
    from ..stats.metrics import root_mean_squared_error as root_mean_squared_error
    from ..stats.metrics import subset_accuracy as subset_accuracy
    from ..stats.metrics import top_k_accuracy as top_k_accuracy
    from ..stats.scores import Score as Score
    from ..stats.scores import accuracy as accuracy
    from ..stats.scores import calibration_error as calibration_error
    from ..stats.scores import macro_f1 as macro_f1
    from ..stats.scores import recall_by_intent as recall_by_intent
    from ..stats.scores import share as share
    from .gating import gate as gate
    from .gating import verdicts as verdicts

METRICS = """
    average_precision balanced_accuracy bias brier_score f1 hamming_loss interval_coverage log_loss macro_recall
    matthews_corrcoef mean_absolute_error mean_of mean_reciprocal_rank median_absolute_error median_of metric_of
    multilabel_f1 ndcg percentile_of precision precision_at_k precision_at_recall quantile_loss r2 recall recall_at_k
    recall_at_precision roc_auc root_mean_squared_error subset_accuracy top_k_accuracy
""".split()
SCORES = "Score accuracy calibration_error macro_f1 recall_by_intent share".split()
PUBLIC = dict.fromkeys(METRICS, "stats.metrics") | dict.fromkeys(SCORES, "stats.scores") | {
    "gate": "gates.gating", "verdicts": "gates.gating"}
__all__ = list(PUBLIC)


def __getattr__(name: str):
    if name in PUBLIC:
        from importlib import import_module
        return getattr(import_module(f"mlbot.{PUBLIC[name]}"), name)
    raise AttributeError(f"module 'mlbot.gates' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
