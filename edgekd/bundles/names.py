"""Names of files that may be read from, or written into, a bundle."""

from __future__ import annotations

MAX_PART_BYTES = 255  # of a file name on the usual file systems
MAX_BYTES = 1000  # of the whole, well below the limit of a path


def why_unsafe(name: str) -> str | None:
    """Return why a relative path is not taken, or None when it is.

    Only plain paths downward are: they mean the same on every system, stay inside the folder, and print on one line.
    """
    if not name or name.startswith("/"):
        return "it is absolute" if name else "it is empty"
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return "it holds '..', '.' or an empty part"
    if "\\" in name or ":" in name:
        return "it holds a backslash or a colon"
    if not name.isprintable():
        return "it holds characters that cannot be printed"
    if any(len(part.encode("utf-8", "replace")) > MAX_PART_BYTES for part in name.split("/")):
        return f"a part of it is longer than {MAX_PART_BYTES} bytes"
    if len(name.encode("utf-8", "replace")) > MAX_BYTES:
        return f"it is longer than {MAX_BYTES} bytes"
    return None
