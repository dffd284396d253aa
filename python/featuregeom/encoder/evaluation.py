r"""A network as a hash encoder: are codes of samples different, and do they keep what the labels say.

Codes are the signs of all hidden units, one row of bits per sample; equal codes are one linear region.

References
----------
He, Lei, Ji & Tao, Neural networks behave as hash encoders, arXiv 2101.05490. Two definitions of clustering accuracy
are in use there, so both are given by name.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featuregeom.arguments import integer
from featuregeom.codes import CodeCounter, Codes, hamming_vote, pack
from featuregeom.encoder.scores import hungarian_accuracy, purity
from featuregeom.errors import DtypeError, MissingExtraError, NonFiniteError, ParameterError, ShapeError
from featuregeom.memory import loading
from featuregeom.summary import summarised

__all__ = ["CodeDiversity", "EncoderReport", "evaluate", "regions"]

Bits = NDArray[np.bool_]


@summarised
@dataclass(frozen=True)
class CodeDiversity:
    """How many different codes N samples have, and what that says about new samples.

    Attributes
    ----------
    n_rows : int
        Number of samples N.
    n_distinct : int
        Number U of different codes.
    redundancy : float
        (N - U) / N: 0 if all samples are told apart.
    saturated : bool
        U = N: the sample says nothing of how many regions there are but that there are more.
    coverage : float
        Good-Turing estimate of the share of new samples whose code was seen, 1 - f1 / N; in the mean a lower bound.
    chao1 : float
        Chao's estimate of the number of regions that the data meet, a lower bound.
    """

    n_rows: int
    n_distinct: int
    redundancy: float
    saturated: bool
    coverage: float
    chao1: float


@summarised
@dataclass(frozen=True)
class EncoderReport:
    """What codes tell about labels, on training and on test samples: the result of `evaluate`.

    Attributes
    ----------
    train, test : CodeDiversity
        Different codes of each.
    random : CodeDiversity or None
        The control: codes of random inputs.
    kmeans_purity_train, kmeans_purity_test, kmeans_accuracy_train, kmeans_accuracy_test : float
        K-means with as many clusters as labels, fitted on each set by itself (transductive): purity, and accuracy
        of the best one-to-one matching. NaN with fewer samples than labels.
    knn : float
        Test accuracy of the vote of the nearest training codes in Hamming distance. Codes that tie for the last
        places share their votes (`featuregeom.codes.hamming_vote`); of labels with equally many votes, the smallest.
    logistic : float
        Test accuracy of one-against-one logistic regression on the bits.
    n_neighbors, n_classes, n_bits, seed : int
        What it was run with.
    """

    train: CodeDiversity
    test: CodeDiversity
    random: CodeDiversity | None
    kmeans_purity_train: float
    kmeans_purity_test: float
    kmeans_accuracy_train: float
    kmeans_accuracy_test: float
    knn: float
    logistic: float
    n_neighbors: int
    n_classes: int
    n_bits: int
    seed: int

    def warnings(self) -> tuple[str, ...]:
        """Warnings, as sentences: what these numbers cannot show."""
        found = []
        for name, part in (("training", self.train), ("test", self.test), ("random", self.random)):
            if part is not None and part.saturated:
                found.append(
                    f"All {part.n_rows} {name} codes are distinct: the count is saturated, and says nothing more. "
                    + (
                        "Draw more random inputs."
                        if name == "random"
                        else "Compare networks on more samples."
                    )
                )
        if self.n_neighbors < 9:
            found.append(f"Only {self.n_neighbors} training codes to vote, not 9.")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """All numbers in one flat mapping, such as ``redundancy_test``."""
        flat: dict[str, Any] = {}
        for key, value in asdict(self).items():
            if key in ("train", "test", "random"):
                flat |= {f"{name}_{key}": number for name, number in (value or {}).items()}
            else:
                flat[key] = value
        return flat


def regions(codes: Codes | ArrayLike) -> CodeDiversity:
    """Count the different codes of samples, and estimate how many more there are.

    Parameters
    ----------
    codes : Codes, or array_like of bool or 0/1, shape (N, m)
        One code per row, at least one row; without columns all codes are equal.

    Returns
    -------
    CodeDiversity

    Notes
    -----
    One pass; memory for the different codes.

    References
    ----------
    Good, Biometrika 40 (1953); Chao, Scand. J. Statist. 11 (1984).

    Examples
    --------
    >>> from featuregeom.encoder import regions
    >>> regions([[0, 1], [0, 1], [1, 1], [0, 0]]).redundancy
    0.25
    """
    packed = _packed("codes", codes)
    counter = CodeCounter(packed.n_bits)
    counter.update(packed)
    found = counter.summary()
    return CodeDiversity(
        n_rows=found["n_rows"],
        n_distinct=found["n_distinct"],
        redundancy=found["redundancy"],
        saturated=found["saturated"],
        coverage=found["good_turing_coverage"],
        chao1=found["chao1_lower_bound"],
    )


def evaluate(
    train_codes: Codes | ArrayLike,
    train_labels: ArrayLike,
    test_codes: Codes | ArrayLike,
    test_labels: ArrayLike,
    *,
    random_codes: Codes | ArrayLike | None = None,
    k: int = 9,
    seed: int = 0,
) -> EncoderReport:
    """Measure what a network's codes tell about labels, by the four measures of the hash-encoder paper.

    Parameters
    ----------
    train_codes, test_codes : Codes, or array_like of bool or 0/1, shape (N, m) and (N', m)
        One code per row, at least one row, as `featuregeom.codes.capture` and `pack` give them, or as bits.
    train_labels, test_labels : array_like of int or str, shape (N,) and (N',)
        A label per sample.
    random_codes : Codes, or array_like of bool or 0/1, shape (N'', m), optional
        Codes of random inputs, for the control.
    k : int
        Nearest training codes that vote, at least 1; all training codes where there are fewer.
    seed : int
        Seed of k-means (10 starts) and logistic regression.

    Returns
    -------
    EncoderReport

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, ParameterError
        If codes are no bits, do not fit the labels, or an argument is outside its range.
    MissingExtraError
        If scikit-learn is not installed.

    Notes
    -----
    Costs O(N N' m) for the neighbours and 10 starts of k-means of O(N m n_classes) a step. The order of the rows
    changes no number: k-means and logistic regression, whose seeds and sums depend on it, see the rows sorted.

    Examples
    --------
    >>> import numpy as np
    >>> from featuregeom.encoder import evaluate
    >>> labels = np.arange(40) % 4
    >>> report = evaluate(np.eye(4)[labels], labels, np.eye(4)[labels], labels)
    >>> report.kmeans_accuracy_test, report.knn, report.logistic, report.train.n_distinct
    (1.0, 1.0, 1.0, 4)
    """
    train, test = _packed("train_codes", train_codes), _packed("test_codes", test_codes)
    control = None if random_codes is None else _packed("random_codes", random_codes)
    given = [each for each in (train, test, control) if each is not None]
    if len({each.n_bits for each in given}) > 1:
        shapes = [(len(each), each.n_bits) for each in given]
        raise ShapeError(f"codes must have one number of bits, got shapes {shapes}")
    first, second = train.unpack(), test.unpack()
    y, y_test = _labels("train_labels", train_labels, first), _labels("test_labels", test_labels, second)
    classes = np.unique(np.concatenate([y, y_test]))
    y, y_test = np.searchsorted(classes, y), np.searchsorted(classes, y_test)
    voters, seed = min(integer("k", k, 1), len(first)), integer("seed", seed, 0)
    # Seeds draw rows, and sums round, in the order that rows stand in: a fixed one. Equal rows are sorted by label.
    first, y = _sorted(train, y)
    second, y_test = _sorted(test, y_test)
    clusters = [_kmeans(codes, len(classes), seed) for codes in (first, second)]
    agreement = [
        (np.nan, np.nan) if found is None else (purity(found, labels), hungarian_accuracy(found, labels))
        for found, labels in zip(clusters, (y, y_test), strict=True)
    ]
    return EncoderReport(
        train=regions(train),
        test=regions(test),
        random=None if control is None else regions(control),
        kmeans_purity_train=agreement[0][0],
        kmeans_purity_test=agreement[1][0],
        kmeans_accuracy_train=agreement[0][1],
        kmeans_accuracy_test=agreement[1][1],
        knn=float(np.mean(hamming_vote(pack(first), y, pack(second), voters) == y_test)),
        logistic=float(np.mean(_logistic(first, y, second, seed) == y_test)),
        n_neighbors=voters,
        n_classes=len(classes),
        n_bits=first.shape[1],
        seed=seed,
    )


def _sorted(codes: Codes, labels: NDArray[Any]) -> tuple[Bits, NDArray[Any]]:
    """Bits of codes and their labels, in the order of the codes and then of the labels."""
    order = np.lexsort((labels, *codes.words.T))
    return codes.unpack()[order], labels[order]


def _kmeans(codes: Bits, n_clusters: int, seed: int) -> NDArray[np.int64] | None:
    """Euclidean k-means with real centroids on bits, as in the paper: scikit-learn's, with 10 starts."""
    try:
        with loading("scikit-learn"):
            from sklearn.cluster import KMeans
            from sklearn.exceptions import ConvergenceWarning
    except ImportError as error:
        raise MissingExtraError.needing("the hash-encoder report", "scikit-learn", "encoder") from error
    if len(codes) < n_clusters:
        return None
    if not codes.shape[1]:
        return np.zeros(len(codes), dtype=np.int64)
    with warnings.catch_warnings():
        # Fewer different codes than labels is a finding here, and is in the report.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(codes.astype(np.float32))
    return np.asarray(found, dtype=np.int64)


def _logistic(codes: Bits, labels: NDArray[Any], queries: Bits, seed: int) -> NDArray[Any]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsOneClassifier

    present = np.unique(labels)
    if len(present) == 1 or not codes.shape[1]:
        values, counts = np.unique(labels, return_counts=True)
        return np.full(len(queries), values[np.argmax(counts)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = OneVsOneClassifier(LogisticRegression(random_state=seed)).fit(
            codes.astype(np.float64), labels
        )
    return np.asarray(model.predict(queries.astype(np.float64)))


def _packed(name: str, value: Codes | ArrayLike) -> Codes:
    if not isinstance(value, Codes):
        return pack(_bits(name, value))
    if not len(value):
        went = " (they went to a counter, which kept none)" if value.n_rows else ""
        raise ShapeError(f"{name} must have at least one row{went}")
    return value


def _bits(name: str, value: ArrayLike) -> Bits:
    array = np.asarray(value)
    if array.ndim != 2 or not len(array):
        raise ShapeError(f"{name} must be (N, m) with at least one row, got {array.shape}")
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf":
        raise DtypeError(f"{name} must be bits, got {array.dtype}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        row, column = map(int, np.argwhere(np.isnan(array))[0])
        raise NonFiniteError(f"{name} is NaN in row {row}, column {column}", row, column)
    bad = (array != 0) & (array != 1)
    if bad.any():
        row, column = map(int, np.argwhere(bad)[0])
        raise ParameterError(
            f"{name} must be bits, got {array[row, column]} in row {row}, column {column}: pass activations > 0"
        )
    return np.asarray(array, dtype=bool)


def _labels(name: str, value: ArrayLike, codes: Bits) -> NDArray[Any]:
    labels = np.asarray(value)
    if labels.shape != (len(codes),):
        raise ShapeError(f"{name} must be one label for each of {len(codes)} codes, got shape {labels.shape}")
    if labels.dtype.kind not in "iuUSb":
        raise DtypeError(f"{name} must be integers or strings, got {labels.dtype}")
    return labels
