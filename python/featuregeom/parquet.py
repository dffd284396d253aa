"""Tables as Parquet files, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from featuregeom.atomic import replacing
from featuregeom.memory import check_memory

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["write_parquet"]

_WRITER = 32 << 20
"""Bytes that pyarrow's writer may take beside a copy of the table: where an allocation of its fails it ends the process
(seen with pyarrow 26 and less than 24 MiB left), so that room is asked for before it starts."""


def write_parquet(table: pd.DataFrame | pa.Table, path: Path) -> None:
    """Write a table as Parquet, whole or not at all.

    Parameters
    ----------
    table : pandas.DataFrame or pyarrow.Table
        Its index is left out.
    path : Path
        The file; one that is there is replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    NoRoomError
        A MemoryError, if there is no memory for a copy of the table and 32 MiB beside.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = table.nbytes if isinstance(table, pa.Table) else int(table.memory_usage(deep=True).sum())
    check_memory(size + _WRITER, f"writing {path}")
    with replacing(path) as temporary, temporary.open("wb") as file:
        if isinstance(table, pa.Table):
            pq.write_table(table, file)
        else:
            table.to_parquet(file, index=False)
