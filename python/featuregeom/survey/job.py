"""`analyze`: every matrix of a source, measured and written as tables and a page."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from featuregeom import _core
from featuregeom.analysis import Analysis, MatrixResult
from featuregeom.arguments import choice, integer
from featuregeom.errors import DtypeError, ParameterError, SourceError, UnsuitableSourceError
from featuregeom.features import Features, as_features
from featuregeom.folders import locked, origin
from featuregeom.report.page import write_page
from featuregeom.sources import AxisGiven, Reader, TensorInfo, open_source
from featuregeom.survey.dask import dask_executor
from featuregeom.survey.densities import add_densities
from featuregeom.survey.executors import check_executor, measured_by
from featuregeom.survey.fingerprint import Watch
from featuregeom.survey.labelling import Given, digest, name_features
from featuregeom.survey.measure import Options, measure
from featuregeom.survey.plan import Pairs, Patterns, cost, select
from featuregeom.survey.progress import Listener, Meter
from featuregeom.survey.store import Plan, Store, assemble

__all__ = ["analyze"]

NonFinite = Literal["error", "skip"]

_LISTED = 10
"""Most tensors that an error lists."""


# Long by its arguments; what it does is open, plan, measure matrix by matrix, and put together.
def analyze(
    source: Any,
    *,
    include: Patterns = None,
    exclude: Patterns = None,
    axis: AxisGiven = "auto",
    stacks: bool = True,
    slices: Sequence[int] | None = None,
    heads: int | Literal["auto"] | None = None,
    recursive: bool = False,
    tolerance: float | None = None,
    block_threshold: float | None = None,
    nonfinite: NonFinite = "error",
    pairs: Pairs = True,
    labels: Given = None,
    mmap: bool = True,
    num_threads: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Listener | None = None,
    executor: Executor | None = None,
    dask: Any = None,
) -> Analysis:
    """Measure the geometry of every weight matrix of a source.

    Parameters
    ----------
    source : path-like, str, Module, mapping or array
        A checkpoint, a sparse autoencoder, a Hugging Face id, a live module, an array: anything that
        :func:`featuregeom.sources.open_source` takes.
    include, exclude : str, sequence of str, or None
        Shell-style patterns for tensor names, such as ``"*.mlp.*"``. A matrix is analysed when it matches some
        `include` (by default all do) and no `exclude`.
    axis : {"auto", "rows", "columns"}, mapping or sequence of str
        Which axis of every matrix indexes features, or shell-style patterns of names with the axis of each, such as
        ``{"*.output.dense*": "columns"}``; by default the evidence decides, which the column ``axis_reason`` names.
    stacks : bool
        Whether tensors of three and more dimensions are measured slice by slice, as ``name[i]``.
    slices : sequence of int, optional
        The slices of each stack to measure; by default all.
    heads : int or "auto", optional
        Split weights of attention into this number of heads; ``"auto"`` takes the number from the configuration.
    recursive : bool
        Whether the folders in a folder are read too.
    tolerance : float, optional
        Relative tolerance of eigenspaces; by default chosen so that chance hardly makes one, see
        :func:`featuregeom.spectra.spectrum`.
    block_threshold : float, optional
        Couplings below it do not connect blocks; by default chosen, see :func:`featuregeom.pairs.sweep`.
    nonfinite : {"error", "skip"}
        Whether NaN and infinity stop the analysis or drop the features that hold them, which the column
        ``dropped_rows`` then counts. A matrix of which nothing is left is listed in ``skipped``.
    pairs : bool or "approximate"
        Whether to look at all pairs of features. Without, an analysis takes O(n m^2) operations, and everything that
        needs them is missing: coherence and cosines, blocks and the names of geometries, significant pairs, spectral
        groups and verdicts (`dictionaries.verdict`); the page and the terminal say so. With "approximate" the
        significant pairs of matrices with more than 65 536 features, and 12 for each dimension, come from an index
        (`pairs.significant`), which misses some; tables and page say how many, and the rest is missing there as
        without pairs. Smaller matrices are looked at in full.
    labels : str, Path, sequence, mapping, optional
        Names of features, which the tables list beside their indices: texts (None for a feature without one), or a file
        of them (`labels.read_labels`), as many as each matrix has features; or a mapping of names or shell-style
        patterns of matrices to such. Without, embeddings and projections to tokens take the tokens of a
        ``tokenizer.json``, ``vocab.json`` or ``vocab.txt`` beside the model where it has as many, and the features of a
        sparse dictionary their indices.
    mmap : bool
        Whether to map files into memory; switch it off for network disks.
    num_threads : int, optional
        Threads to use; by default ``RAYON_NUM_THREADS`` or all. Results do not depend on it.
    seed : int
        Seed of the sample of features that the page's heat maps show, and of the verdicts, from 0 to 2^64 - 1.
    out : path-like, optional
        Folder for the tables and the page. Each matrix is written there as it finishes. One process, and one thread
        of it, at a time writes there. An older analysis of the same source with the same settings is removed when the
        new one begins, so that the two never mix: if a full disk then stops the new one, the older is gone. One that
        did not finish may have had other settings. No other file is replaced or removed.
    resume : bool
        Go on with the analysis in `out`, which was stopped, instead of beginning anew; where there is none yet, begin.
        The tables come out the same, byte for byte. Finished matrices are kept, and of one with more than 131 072
        features the frame operator after each 131 072 of them. A source that changed is refused: files are told apart
        by their sizes and times, what lies in memory by a hash of its numbers.
    force : bool
        Replace the analysis in `out` even if it is of another source, of the same one before it changed, or has other
        settings. The source itself and files that no analysis wrote are never replaced.
    progress : callable, optional
        Called with a :class:`featuregeom.survey.progress.Progress` about twenty times a second.
    executor : concurrent.futures.Executor, optional
        What measures the matrices, each as one job that opens the source for itself: processes of this machine, or of
        others whose disks hold the source under the same path. `num_threads` is of each job. This process alone
        writes to `out`, and tables come out the same, byte for byte. Processes must be spawned, not forked.
    dask : str or distributed.Client, optional
        The same by a Dask cluster: the address of its scheduler, or a client (extra ``featuregeom[dask]``). Matrices of
        a worker that dies are measured by another one.

    Returns
    -------
    Analysis
        Tables ``matrices``, ``features``, ``blocks`` and ``pairs``, what was skipped and why, and provenance.

    Raises
    ------
    SourceError
        If the source is missing, truncated or malformed, or changes while it is measured: no tables are written then.
    NonFiniteError
        If a matrix holds NaN or infinity and ``nonfinite="error"``.
    DtypeError
        If a matrix has a type that cannot be read, such as FP8; exclude it to go on.
    ParameterError
        If an argument is out of range or of the wrong kind, it cannot be told which axis of a sparse dictionary lists
        features, `include` matches no matrix, nothing at all can be
        measured (unless `exclude` asked for that), or there is another analysis to resume.
    OutputError
        If `out` cannot be written, is being written by another run, holds the source, an analysis that only `force`
        replaces, or other files that would have to be replaced, or its parts are a link to another folder; nothing
        half-written stays.

    Notes
    -----
    With s = min(n, m), a matrix costs s^2 max(n, m) + 9 s^3 operations for its spectrum, 2 n m s for the
    measures and n (n - 1) m for the sweep over all pairs, and O(s^2 + n) memory beyond the mapped file. The verdict
    takes most of the time: two sweeps and, where n < 12 m, 20 eigendecompositions, once or, where anything is found,
    for one to four random sets beside; and O(n m) memory. `estimate` counts all of it beforehand.

    Examples
    --------
    >>> import featuregeom as fg
    >>> import numpy as np
    >>> result = fg.analyze({"toy": np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])})
    >>> result.matrices[["matrix", "rank", "saturation", "geometry"]].values.tolist()
    [['toy', 2, 1.0, '2 × digon']]
    """
    choice("nonfinite", nonfinite, get_args(NonFinite))
    if resume and out is None:
        raise ParameterError("resume needs the folder of the analysis that was stopped: give out (--out)")
    if resume and force:
        raise ParameterError("resume goes on with the analysis in out, force replaces it: give one of them")
    if progress is not None and not callable(progress):
        raise ParameterError(f"progress must be a function of a Progress, or None, got {progress!r}")
    if isinstance(seed, bool):
        raise ParameterError(f"seed must be an integer, got {seed}")
    if isinstance(pairs, str) and pairs != "approximate":
        raise ParameterError(f"pairs must be True, False or 'approximate', not {pairs!r}")
    if not pairs and block_threshold is not None:
        raise ParameterError(
            "block_threshold is for blocks, which need all pairs: leave it out, or do not switch pairs off (--no-pairs)"
        )
    options = Options(
        tolerance, block_threshold, nonfinite, integer("seed", seed, 0, 2**64 - 1), _asked(pairs)
    )
    check_executor(executor)
    if executor is not None and dask is not None:
        raise ParameterError("executor and dask both say who measures: give one of them")
    _rehearse(options, num_threads)
    opening = {
        "source": source, "axis": axis, "stacks": stacks, "slices": slices, "heads": heads, "recursive": recursive,
        "mmap": mmap,
    }  # fmt: skip
    measuring = nullcontext(executor) if dask is None else dask_executor(dask)
    with measuring as executor, open_source(**opening) as reader:
        chosen, skipped = select(reader.tensors(), include, exclude)
        if not chosen and all(reason != "excluded" for _, reason in skipped):
            raise _nothing(reader.source, [_skipped(info, reason) for info, reason in skipped])
        _check_dtypes(chosen, reader.source)
        named = name_features(reader, chosen, labels)
        named, skipped = add_densities(reader, chosen, named, skipped)
        plan = _plan(reader, chosen, skipped, options, digest(named))
        watch = Watch(reader.files, chosen, partial(_matrix, reader), getattr(reader, "opened", None))
        meter = Meter(progress, {info.name: cost(info, pairs=options.pairs) for info in chosen})
        with nullcontext() if out is None else locked(Path(out)):
            store = None
            if out is not None:
                plan |= {"fingerprint": watch.fingerprint, "origin": origin(reader.files)}
                store = Store(Path(out), plan, reader.files, resume=resume, force=force)
            found = {info.name: store.finished(info.name) if store else None for info in chosen}
            for name in (name for name, result in found.items() if result):
                meter.finish(name)
            waiting = [info for info in chosen if not found[info.name]]
            if executor is None:
                done = _in_turn(reader, waiting, options, num_threads, meter, named, store)
            else:
                done = measured_by(executor, opening, waiting, options, num_threads, named)
            with closing(done):
                for info, result in done:
                    _check_unchanged(watch, info, reader.source, store)
                    _keep(plan, info, result, store)
                    found[info.name] = result
                    if executor is not None:
                        meter.finish(info.name)
            _put_in_order(plan, list(found), store)
            results = [result for result in found.values() if result]
            if chosen and not results:
                raise _nothing(plan["provenance"]["source"], plan["skipped"])
            _check_unchanged(watch, None, reader.source, store)
            analysis = assemble(plan, results, None if store is None else store.folder)
            if store:
                store.write_tables(analysis)
                write_page(analysis, store.folder / "report.html")
    return analysis


def _in_turn(
    reader: Reader,
    chosen: list[TensorInfo],
    options: Options,
    num_threads: int | None,
    meter: Meter,
    named: Mapping[str, Any],
    store: Store | None,
) -> Generator[tuple[TensorInfo, MatrixResult | None], None, None]:
    """Measure one matrix after the other, here."""
    for info in chosen:
        kept_sum = None if store is None else store.sum_of(info.name)
        with _matrix(reader, info) as features:
            result = measure(features, options, num_threads, meter, named[info.name], kept_sum)
        yield info, result


def _asked(pairs: Pairs) -> Pairs:
    return "approximate" if isinstance(pairs, str) else bool(pairs)


def _put_in_order(plan: Plan, names: list[str], store: Store | None) -> None:
    """List matrices that turned out to have nothing to measure in their order, whichever was done first."""
    place = {name: number for number, name in enumerate(names)}
    before = list(plan["skipped"])
    plan["skipped"].sort(key=lambda row: place.get(row["tensor"], -1))
    if store and plan["skipped"] != before:
        store.write_plan()


def _keep(plan: Plan, info: TensorInfo, result: MatrixResult | None, store: Store | None) -> None:
    """Write what was measured of one matrix, or that there was nothing to measure."""
    if result is None:
        plan["skipped"].append(_skipped(info, "every row holds NaN or infinity"))
        if store:
            store.write_plan()
    elif store:
        store.write(info.name, result)


def _check_unchanged(watch: Watch, info: TensorInfo | None, source: str, store: Store | None) -> None:
    """Refuse to go on with a source that is not what it was: its matrices would be of two states."""
    change = watch.change(info)
    if not change:
        return
    kept = ""
    if store:
        store.stop("the source changed")
        kept = f"; no tables were written, and matrices in {store.folder} are of the state before"
    raise SourceError(
        f"{source} changed while it was measured: {change}{kept}. Run again when nothing writes to it, or on a copy"
    )


def _rehearse(options: Options, num_threads: int | None) -> None:
    """Measure a 1 x 1 matrix, so that options out of range are refused before an older analysis is removed."""
    number = as_features([[1.0]])
    name = number.provenance.tensor
    costs = {name: cost(TensorInfo(name, (1, 1), number.dtype, 8), pairs=options.pairs)}
    measure(number, options, num_threads, Meter(None, costs))


def _check_dtypes(chosen: list[TensorInfo], source: str) -> None:
    """Refuse types that cannot be read, once for all tensors that have them."""
    refused = [info for info in chosen if info.refusal is not None]
    if not refused:
        return
    first = refused[0]
    if len(refused) == 1:
        with _advice(first):
            raise DtypeError(f"{source}: tensor {first.name!r} is {first.dtype}: {first.refusal}")
    names = ", ".join(repr(info.name) for info in refused[:_LISTED])
    more = f" and {len(refused) - _LISTED} more" if len(refused) > _LISTED else ""
    types = " or ".join(dict.fromkeys(info.dtype for info in refused))
    raise DtypeError(
        f"{source}: {len(refused)} tensors are {types}: {first.refusal}. They are {names}{more}; "
        "exclude= (--exclude) goes on without them"
    )


@contextmanager
def _advice(info: TensorInfo) -> Iterator[None]:
    """Say how to go on without a matrix that cannot be read."""
    try:
        yield
    except DtypeError as error:
        raise DtypeError(f"{error}; exclude={info.name!r} (--exclude) goes on without it") from error


@contextmanager
def _matrix(reader: Reader, info: TensorInfo) -> Iterator[Features]:
    """Yield one matrix, and give its memory pages back to the system afterwards."""
    with _advice(info):
        features = reader.read(info.name)
    try:
        yield features
    finally:
        reader.release(info.name)


def _plan(
    reader: Reader,
    chosen: list[TensorInfo],
    skipped: list[tuple[TensorInfo, str]],
    options: Options,
    labels: str,
) -> Plan:
    return {
        "provenance": {
            "source": reader.source,
            "format": reader.format,
            "version": _core.__version__,
            **vars(options),
            "labels": labels,
        },
        "matrices": [info.name for info in chosen],
        "axes": {info.name: [info.axis, *info.shape] for info in chosen},
        "skipped": [_skipped(info, reason) for info, reason in skipped],
    }


def _skipped(info: TensorInfo, reason: str) -> dict[str, str]:
    """Give the row of the table of skipped tensors."""
    shape = " x ".join(map(str, info.shape))
    return {"tensor": info.name, "shape": shape, "dtype": info.dtype, "reason": reason}


def _nothing(source: str, skipped: Sequence[dict[str, str]]) -> UnsuitableSourceError:
    """Say of each tensor why it was not measured."""
    said = [f"{row['tensor']!r} ({row['shape']}): {row['reason']}" for row in skipped[:_LISTED]]
    said += [f"{len(skipped) - _LISTED} more"] if len(skipped) > _LISTED else []
    return UnsuitableSourceError(f"nothing to measure in {source}: {'; '.join(said) or 'it holds no tensor'}")
