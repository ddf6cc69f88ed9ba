"""Has a table the columns and types its feed declares?"""

import pyarrow as pa

from mobility_pipeline.checks.finding import Finding, failed, passed

NAME = "matches_schema"


def matches_schema(found: pa.Schema, declared: pa.Schema) -> Finding:
    """Compare a table's schema with the declared one.

    Args:
        found: of the table, or of each of its files, which are judged one by one.
        declared: of the feed.

    Returns:
        An error that names each column that is missing or has another type. Columns the
        vendor added are kept, and no problem; order is not judged.
    """
    problems: list[str] = []
    for field in declared:
        if field.name not in found.names:
            problems.append(f"column {field.name} is missing")
            continue
        kind = found.field(field.name).type
        if not _is_same(kind, field.type):
            problems.append(f"column {field.name} is {kind} instead of {field.type}")
    added = sorted(set(found.names) - set(declared.names))
    numbers = {"columns": len(found.names), "added_columns": tuple(added)}
    if problems:
        return failed(NAME, "; ".join(problems), numbers)
    return passed(NAME, f"{len(declared.names)} declared columns are there", numbers)


def _is_same(found: pa.DataType, declared: pa.DataType) -> bool:
    # A list's or map's inner field is named by whoever wrote the file.
    return found.equals(declared) or str(found).replace("element", "item") == str(
        declared
    )
