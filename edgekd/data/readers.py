"""Files to tables: CSV, TSV, JSON lines, Parquet, and a text a line. Text is UTF-8, with or without BOM."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from edgekd.data.table import Table, table_from_columns
from edgekd.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from pathlib import Path

TEXT_COLUMN = "text"  # the only column of a text file
MAX_FIELD_CHARS = 1 << 24  # a longer CSV field is a quote that was left open
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_table(path: Path) -> Table:
    """Read a file into a table; the ending of its name decides the format.

    Raises:
        DataError: naming file and row, when the file is empty or damaged, or its format is unknown.
        MissingExtra: when Parquet is read without pyarrow.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        hint = "Unpack it first." if path.suffix.lower() in PACKED else "Convert it to one of these."
        raise DataError(
            f"'{path}' has the unknown ending '{path.suffix}'. Allowed: {', '.join(sorted(READERS))}.",
            hint=hint,
        )
    table = reader(path)
    if len(table) == 0:
        raise DataError(f"'{path}' is empty: it has no rows.", hint="Give a file with at least one row.")
    return table


def decode(path: Path) -> str:
    """Read a UTF-8 text file; a BOM is removed.

    Raises:
        DataError: when it cannot be read; naming line and byte, when it is not UTF-8 or has NUL bytes.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read '{path}': {error.strerror}.") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        encoding = "UTF-16" if raw.startswith(_UTF16_BOMS) else "WINDOWS-1252"
        raise DataError(
            f"'{path}' is not UTF-8: line {line}, byte {error.start} is 0x{raw[error.start]:02x}.",
            hint=f"Convert it, for example: iconv -f {encoding} -t UTF-8 '{path}' > new{path.suffix}",
        ) from error
    nul = raw.find(b"\0")
    if nul >= 0:
        line = raw.count(b"\n", 0, nul) + 1
        raise DataError(
            f"'{path}' has a NUL byte: line {line}, byte {nul}.",
            hint="It is damaged or not a text file; remove NUL bytes with: tr -d '\\000' < OLD > NEW",
        )
    return text


def _read_lines(path: Path) -> Table:
    # NOTE: not str.splitlines, which also splits at U+2028, form feeds and others.
    lines = decode(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    texts = [line.rstrip("\r") for line in lines]
    return table_from_columns(str(path), {TEXT_COLUMN: texts}, unit="line")


def _read_json(path: Path) -> Table:
    text = decode(path)
    if path.suffix.lower() == ".json" and text.lstrip().startswith("["):
        records = _parse_json(text, f"'{path}'")
        return _from_records(path, records, list(range(1, len(records) + 1)), unit="row")
    records, positions = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            records.append(_parse_json(line, f"'{path}', line {number}"))
            positions.append(number)
    return _from_records(path, records, positions, unit="line")


def _parse_json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{where}: not valid JSON: {error}.",
            hint='Every line must be one object like {"text": "...", "label": "..."}.',
        ) from error


def _from_records(path: Path, records: list[Any], positions: list[int], *, unit: str) -> Table:
    names: dict[str, None] = {}
    for record, position in zip(records, positions, strict=True):
        if not isinstance(record, dict):
            raise DataError(
                f"'{path}', {unit} {position}: expected a JSON object, found {type(record).__name__}.",
                hint='Write rows like {"text": "...", "label": "..."}.',
            )
        names.update(dict.fromkeys(record))
    columns = {name: [record.get(name) for record in records] for name in names}
    return table_from_columns(str(path), columns, positions=positions, unit=unit)


def _read_csv(path: Path) -> Table:
    return _from_rows(path, _parse_delimited(path, decode(path), ",", quoted=True))


def _read_tsv(path: Path) -> Table:
    """Read tab separated values, where a quote may or may not be quoting.

    When every line already has the right number of fields, quotes cannot hide a tab or a line end. They are
    then quoting only where the whole file is consistent with it; otherwise they belong to the text.
    """
    text = decode(path)
    plain = _parse_delimited(path, text, "\t", quoted=False)
    if len({len(row) for _, row in plain}) > 1:
        return _from_rows(path, _parse_delimited(path, text, "\t", quoted=True))
    try:
        quoted = _parse_delimited(path, text, "\t", quoted=True)
    except DataError:
        return _from_rows(path, plain)
    return _from_rows(path, quoted if len(quoted) == len(plain) else plain)


def _parse_delimited(path: Path, text: str, delimiter: str, *, quoted: bool) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, each with its first line number."""
    csv.field_size_limit(MAX_FIELD_CHARS)
    quoting: Any = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for row in reader:
            if row:
                rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"'{path}', row that starts at line {line}: {error}.",
            hint='A quote may be left open. Write a field with quotes inside like this: "a ""b"" c".',
        ) from error
    return rows


def _from_rows(path: Path, rows: list[tuple[int, list[str]]]) -> Table:
    if not rows:
        return table_from_columns(str(path), {})
    header = [name.strip() for name in rows[0][1]]
    double = sorted({name for name in header if name and header.count(name) > 1})
    if double:
        raise DataError(f"'{path}' has more than one column '{double[0]}'.", hint="Rename one of them.")
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise DataError(
                f"'{path}', line {line}: {len(row)} fields, but the header has {len(header)}.",
                hint="Put texts that contain the separator or line ends into double quotes.",
            )
    columns = {name: [row[index] for _, row in rows[1:]] for index, name in enumerate(header)}
    return table_from_columns(str(path), columns, positions=[line for line, _ in rows[1:]], unit="line")


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("pyarrow", "train") from error

    def read(column: str) -> list[Any]:
        values: list[Any] = pq.read_table(path, columns=[column]).column(0).to_pylist()
        return values

    try:
        file = pq.ParquetFile(path)
        names, count = tuple(file.schema_arrow.names), file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"'{path}' is not a readable Parquet file: {error}.") from error
    return Table(str(path), names, read, range(1, count + 1))


PACKED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
READERS = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".json": _read_json,
    ".parquet": _read_parquet,
    ".txt": _read_lines,
}
