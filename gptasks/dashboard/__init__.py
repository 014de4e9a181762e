"""Runs as a page: one HTML file that needs no server and no network, and a server that follows runs
as they go on.

`content.py` makes what is shown, from `compare` and from the folders; `details.py` and `rows.py`
are its parts. `writing.py` puts it into one file with the scripts of `page/`; `serving.py` serves
the same page.
"""

from __future__ import annotations

from gptasks.dashboard.content import ROWS, Content, content
from gptasks.dashboard.writing import page, save

__all__ = ["ROWS", "Content", "content", "page", "save"]
