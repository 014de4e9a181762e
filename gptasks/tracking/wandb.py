"""Tracking with Weights & Biases; wandb is imported when a run starts, not before."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from gptasks.tracking.tracker import RunInfo, Tracker, plain

_log = logging.getLogger(__name__)

HOMES = ("WANDB_CACHE_DIR", "WANDB_DATA_DIR")
"""Where wandb keeps its service's log and the tables on their way; else below the home folder."""


@dataclass
class WandbTracker(Tracker):
    """Weights & Biases: online with a key, else offline, to be uploaded by `gptasks sync`.

    Everything wandb writes stays in `<run>/wandb/`. Of machine and code nothing is recorded: no
    host name, command line, git state, packages or console output.
    """

    name: ClassVar[str] = "wandb"

    project: str = "gptasks"
    """W&B's project; this wins over WANDB_PROJECT."""

    entity: str | None = None
    """User or team; without it WANDB_ENTITY, else the key's own."""

    mode: str = field(
        default="auto", metadata={"choices": ("auto", "online", "offline", "disabled")}
    )
    """`auto`: as WANDB_MODE or `wandb offline` say, else online with a key and offline without."""

    group: str | None = None
    """Group in W&B; without it, the task's name."""

    tags: list[str] = field(default_factory=list)
    """Tags in W&B."""

    start_timeout: float = field(default=15.0, metadata={"minimum": 1.0})
    """Seconds to wait for the server before the run is tracked offline."""

    finish_timeout: float = field(default=120.0, metadata={"minimum": 1.0})
    """Seconds to wait at the end for the upload; then a line says how to finish it."""

    def __post_init__(self) -> None:
        self._run: Any = None
        self._folder = Path()
        self._sync_command = ""
        self._results: dict[str, float] = {}

    def start(self, info: RunInfo) -> None:
        """Start a W&B run of the same id, and say where it is."""
        # wandb would turn to the system's temporary folder without a word.
        if not os.access(info.folder, os.W_OK | os.X_OK):
            raise OSError(f"can't write into {info.folder}")
        self._folder = info.folder.absolute()
        self._sync_command = shlex.join(["python", "-m", "gptasks", "sync", str(info.folder)])
        with self._at_home():
            import wandb

            mode = self._resolve_mode(wandb)
            try:
                self._run = self._init(wandb, info, mode)
            except (Exception, SystemExit) as error:
                # teardown, the one way to free the run's id, would end the caller's own run too
                if mode != "online" or wandb.run is not None:
                    raise
                reason = (str(error) or type(error).__name__).splitlines()[0]
                _log.warning("W&B did not start online, tracking offline: %s", reason)
                wandb.teardown()
                mode = "offline"
                self._run = self._init(wandb, info, mode)
        if mode == "online":
            _log.info("tracking at %s", self._run.url)
        elif mode == "offline":
            _log.info("tracking offline; to upload: %s", self._sync_command)
        else:
            _log.info("tracking is off: W&B is disabled")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each chart."""
        self._run.log({key: float(value) for key, value in values.items()}, step=step)

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Log a `wandb.Table`, beside the last point."""
        import wandb

        table = wandb.Table(columns=list(columns), data=plain(rows), allow_mixed_types=True)
        with self._at_home():
            self._run.log({key: table}, commit=False)  # not a step of its own

    def confusion(self, key: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
        """Draw W&B's confusion matrix, beside the last point."""
        import wandb

        # What wandb.plot.confusion_matrix draws, from counts instead of one entry per row.
        counts = [
            [reference, prediction, int(matrix[i][j])]
            for i, reference in enumerate(labels)
            for j, prediction in enumerate(labels)
        ]
        columns: list[str | int] = ["Actual", "Predicted", "nPredictions"]
        chart = wandb.plot_table(
            vega_spec_name="wandb/confusion_matrix/v1",
            data_table=wandb.Table(columns=columns, data=counts),
            fields={str(column): str(column) for column in columns},
            string_fields={"title": key},
        )
        with self._at_home():
            self._run.log({key: chart}, commit=False)

    def summary(self, values: Mapping[str, float]) -> None:
        """Set values of W&B's summary, which its tables of runs show."""
        self._results = {key: float(value) for key, value in values.items()}
        self._run.summary.update(self._results)

    def finish(self, exit_code: int) -> None:
        """Wait for the upload, at most `finish_timeout`, and close the W&B run."""
        if self._results:
            # The last point is only now complete, and W&B sums up by it what has a curve too.
            self._run.log({}, commit=True)
            self._run.summary.update(self._results)
        try:
            self._run.finish(exit_code=exit_code)
        except TimeoutError:
            place = str(Path(self._run.dir).parent)
            _log.warning(
                "W&B's upload was not done after %g s; to finish it: %s",
                self.finish_timeout,
                shlex.join(["wandb", "sync", "--include-online", place]),
            )

    def _init(self, wandb: Any, info: RunInfo, mode: str) -> Any:
        """A new W&B run, of which `wandb.run` knows nothing: the caller may have one there."""
        settings = {
            "console": "off",
            "silent": True,
            "init_timeout": self.start_timeout,
            "finish_timeout": self.finish_timeout,
            "finish_timeout_raises": True,
            "host": "",
            "program": "gptasks",
            "program_relpath": "gptasks",
            "disable_code": True,
            "disable_git": True,
            "label_disable": True,
            "save_code": False,
            "x_disable_machine_info": True,
            "x_disable_meta": True,
            "x_disable_stats": True,
            "x_save_requirements": False,
        }
        known = wandb.Settings.model_fields  # those named x_ come and go between versions
        return wandb.init(
            project=self.project,
            entity=self.entity,
            id=info.id,
            name=info.name,
            group=self.group or info.task,
            job_type=info.strategy,
            tags=self.tags or None,
            config=_config(info),
            dir=str(self._folder),
            mode=mode,
            reinit="create_new",
            resume="allow" if mode == "online" else None,
            settings=wandb.Settings(**{k: v for k, v in settings.items() if k in known}),
        )

    def _resolve_mode(self, wandb: Any) -> str:
        """`online`, `offline` or `disabled`; online only with a key, for wandb asks for one."""
        settings = wandb.setup().settings  # of ~/.config/wandb and the environment
        asked = os.environ.get("WANDB_MODE", "") if self.mode == "auto" else self.mode
        mode = asked or settings.mode
        if mode in ("offline", "dryrun"):
            return "offline"
        if mode == "disabled":
            return "disabled"
        if has_key(settings):
            return "online"
        if asked:
            _log.warning("no W&B key to be online with, tracking offline; `wandb login` stores one")
        return "offline"

    @contextmanager
    def _at_home(self) -> Iterator[None]:
        """Keeps in the run folder what wandb else puts into ~/.cache and ~/.local."""
        ours = {name: str(self._folder / "wandb" / "local") for name in HOMES}
        ours = {name: path for name, path in ours.items() if name not in os.environ}
        os.environ.update(ours)
        try:
            yield
        finally:
            for name in ours:
                os.environ.pop(name, None)


def _config(info: RunInfo) -> dict[str, Any]:
    """W&B's config: what its page groups, filters and names runs by, each a plain value at the top;
    the configuration as it is in `config.yaml` below `settings`."""
    task = info.config.get("task", {})
    names = {
        "task": info.task,
        "kind": task.get("kind", info.task),
        "backbone": info.backbone,
        "strategy": info.strategy,
        "seed": info.seed,
        "headline_metric": next(iter(task.get("metrics", ())), None),
    }
    return plain({**names, "settings": info.config})


def has_key(settings: Any) -> bool:
    """Whether wandb will find a key by itself; without one it would ask for it."""
    from wandb.sdk.lib import wbauth

    return bool(
        settings.api_key  # from WANDB_API_KEY, a settings file, or an earlier wandb.login()
        or settings.identity_token_file
        or wbauth.read_netrc_auth(host=settings.base_url)
    )
