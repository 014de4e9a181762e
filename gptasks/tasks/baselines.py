"""Answers without a language model, for a score to be read against."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gptasks.task import Prediction
from gptasks.words import UNSPACED

STRENGTHS = (1.0, 3.0, 10.0, 30.0)
"""Inverse regularisation C to choose from; on 7,400 movie snippets validation chose 30."""


def majority(references: Sequence[str], n: int, labels: Sequence[str]) -> list[Prediction]:
    """The most frequent label of `references`, `n` times; scores are the labels' shares."""
    counts = Counter(references)
    shares = {label: counts[label] / len(references) for label in labels}
    top = max(labels, key=lambda label: shares[label])
    return [Prediction(top, shares)] * n


def frequent_tags(
    train: Sequence[tuple[Sequence[str], Sequence[str]]], texts: Sequence[Sequence[str]]
) -> list[Prediction]:
    """The tag that each word of `texts` has most often in train.

    train: words and tags of each row. A word that is not there gets the tag most frequent among
    words that are there once.
    """
    counts: dict[str, Counter[str]] = {}
    for words, tags in train:
        for word, tag in zip(words, tags, strict=True):
            counts.setdefault(word, Counter())[tag] += 1
    rare = Counter(tag for found in counts.values() if found.total() == 1 for tag in found)
    unknown = (rare or sum(counts.values(), Counter())).most_common(1)[0][0]
    usual = {word: found.most_common(1)[0][0] for word, found in counts.items()}
    return [Prediction([usual.get(word, unknown) for word in words]) for words in texts]


def tfidf(
    train: tuple[Sequence[str], Sequence[str]],
    validation: tuple[Sequence[str], Sequence[str]],
    texts: Sequence[str],
    labels: Sequence[str],
) -> list[Prediction]:
    """Logistic regression on TF-IDF of word pairs (character triples where words are not spaced).

    train, validation: texts and their labels; C is chosen on validation.
    """
    if len(set(train[1])) < 2:  # one class only: nothing to tell apart
        return majority(train[1], len(texts), labels)
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    sample = "".join(train[0][:1000])
    unspaced = len(UNSPACED.findall(sample)) > len(sample) / 4
    units: dict[str, Any] = (
        {"analyzer": "char", "ngram_range": (1, 3)}
        if unspaced
        else {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}  # words of one letter too
    )
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=200_000, **units)
    try:
        x = vectorizer.fit_transform(train[0])
    except ValueError:  # no word at all in any text: nothing to tell the rows apart by
        return majority(train[1], len(texts), labels)
    held, fitted = vectorizer.transform(validation[0]), []
    # On sparse features liblinear takes a fifth of the time of lbfgs; it knows two classes only.
    solver = "liblinear" if len(set(train[1])) == 2 else "lbfgs"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for strength in STRENGTHS:
            model = LogisticRegression(C=strength, solver=solver, max_iter=300, random_state=0)
            model.fit(x, train[1])
            fitted.append((model.score(held, validation[1]), model))
    model = max(fitted, key=lambda pair: pair[0])[1]
    rows = model.predict_proba(vectorizer.transform(texts))
    found = [dict(zip(model.classes_, row, strict=True)) for row in rows.tolist()]
    scores = [{label: row.get(label, 0.0) for label in labels} for row in found]
    return [Prediction(max(row, key=lambda label: row[label]), row) for row in scores]
