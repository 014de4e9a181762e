"""Tracking with TensorBoard: an event file, written at once by TensorBoard's own parts."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from gptasks.tracking.points import PointTracker
from gptasks.tracking.tracker import RunInfo, flat

_log = logging.getLogger(__name__)

_ROWS = 1000
"""Rows of a table at most; TensorBoard's page takes a second to draw them, and many for more."""


@dataclass
class TensorboardTracker(PointTracker):
    """TensorBoard: an event file in `<run>/tensorboard/`; `tensorboard --logdir runs` shows all.

    Curves and results are scalars, configuration and outcome stand under HParams, the confusion
    matrix and the predictions are tables under Text. Needs `pip install 'gptasks[tensorboard]'`.
    """

    name: ClassVar[str] = "tensorboard"
    libraries: ClassVar[tuple[str, ...]] = ("tensorboard",)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._file: Any = None

    def start(self, info: RunInfo) -> None:
        """Put a new event file in the place of one that an earlier start left."""
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder = info.folder / "tensorboard"
        folder.mkdir(exist_ok=True)
        for earlier in folder.glob("*tfevents*"):
            earlier.unlink()  # its outcome would win over this one's
        # TensorBoard reads files in the order of their names, and puts the host's into them.
        place = folder / f"events.out.tfevents.{time.time():.6f}"
        self._file = RecordWriter(place.open("wb"))
        self._write(file_version="brain.Event:2")
        # What a page that is open meanwhile has read from the earlier file is void.
        self._write(session_log=SessionLog(status=SessionLog.START))
        self._summarise(hparams_pb(flat(info.config), trial_id=info.id))
        _log.info(
            "tracking in %s; to see it: tensorboard --logdir %s",
            *(folder, shlex.quote(str(info.folder.parent))),
        )

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a text, which may be a table of cells; the first row names the columns."""
        import numpy as np
        from tensorboard.plugins.text.summary_v2 import text_pb

        cells = [columns, *rows[:_ROWS]]
        if len(rows) > _ROWS:
            left = f"{len(rows) - _ROWS:,} more rows are in the run folder"
            cells.append([left, *[""] * (len(columns) - 1)])
        texts = [[_cell(cell) for cell in row] for row in cells]
        self._summarise(text_pb(key, np.array(texts, dtype=object)))

    def finish(self, exit_code: int) -> None:
        """Say under HParams how the run ended, and close the file."""
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams import api_pb2, metadata
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

        status = api_pb2.STATUS_FAILURE if exit_code else api_pb2.STATUS_SUCCESS
        ended = SessionEndInfo(status=status, end_time_secs=time.time())
        value = Summary.Value(
            tag=metadata.SESSION_END_INFO_TAG,
            metadata=metadata.create_summary_metadata(HParamsPluginData(session_end_info=ended)),
            tensor=metadata.NULL_TENSOR,
        )
        self._summarise(Summary(value=[value]))
        self._file.close()

    def _add(self, values: Mapping[str, float]) -> None:
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        self._summarise(*(scalar_pb(key, value) for key, value in values.items()))

    def _summarise(self, *summaries: Any) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [value for summary in summaries for value in summary.value]
        self._write(summary=Summary(value=values))

    def _write(self, **what: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), step=self._step, **what)
        self._file.write(event.SerializeToString())
        self._file.flush()


def _cell(value: Any) -> str:
    """A cell's text, which TensorBoard takes as Markdown."""
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.encode("utf-8", "backslashreplace").decode()
