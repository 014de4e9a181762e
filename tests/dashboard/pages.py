"""Pages read back as a browser reads them: their blocks unpacked."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gptasks.compare import compare_runs, read_runs
from gptasks.dashboard import Content, content


def content_of(paths: Sequence[Path | str], tests: str = "auto", **options: Any) -> Content:
    """The content of a page of these runs."""
    runs, broken = read_runs(paths)
    comparison = compare_runs(runs, broken, tests=tests) if runs else None
    return content(runs, broken, comparison, **options)


def block_of(made: Content, kind: str, number: int) -> Any:
    """A block of the run of this number."""
    return made.blocks[f"{kind}-{made.head['runs'][number]['key']}"]()


def blocks_of(page: Path | str) -> dict[str, Any]:
    """The blocks of a page by name, all but the plots' library."""
    text = page if isinstance(page, str) else page.read_text("utf-8")
    packed = re.findall(r'<script type="text/plain" id="block-([^"]+)">([^<]*)</script>', text)
    return {
        name: json.loads(gzip.decompress(base64.b64decode(inside)))
        for name, inside in packed
        if name != "plotly"
    }
