"""The metrics by what they score."""

OF_CLASSES = ("accuracy", "f1_macro", "f1_weighted", "matthews", "auroc", "log_loss", "ece")
STRICT = ("entity_precision", "entity_recall", "entity_f1")
CONLL = ("entity_precision_conll", "entity_recall_conll", "entity_f1_conll")
OF_TAGS = (*STRICT, *CONLL, "token_accuracy")
OF_TEXTS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
