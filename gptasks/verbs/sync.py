"""`gptasks sync [RUN …]`: upload to W&B what runs kept offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gptasks.arguments import Parser
from gptasks.errors import ConfigError, UploadError, listing
from gptasks.progress import counted

if TYPE_CHECKING:
    from gptasks.upload import Upload

_TEXTS = {
    True: "and with the input texts (tracking.log_texts=true)",
    None: "and perhaps with the input texts (the configuration is of another tracker by now)",
    False: "without the input texts (tracking.log_texts=false)",
}
"""What is said of texts, by whether a run has them."""

RUNS = "runs"
"""Where runs are without being named."""


def run(argv: Sequence[str]) -> None:
    parser = Parser("sync", "Upload to W&B what runs kept offline.")
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", help=f"run folder, or a folder of them; {RUNS} without"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be uploaded, and where to"
    )
    options = parser.parse(argv)
    if not options.runs and not Path(RUNS).is_dir():
        raise ConfigError(
            f"there is no folder {RUNS} here; name run folders, or folders of them: "
            f"{parser.prog} RUN …"
        )

    from gptasks.tracking.wandb_upload import account, host
    from gptasks.upload import uploads

    found = uploads(options.runs or [RUNS])
    due = [one for one in found if not one.left_out]
    if not due:
        print(f"nothing to upload: {'; '.join(_left_out(found))}")
        return
    own = "" if options.dry_run else account()
    for line in _told(due, host(), own):
        print(line, flush=True)
    for line in _left_out(found):
        print(f"left out, {line}", flush=True)
    if options.dry_run:
        for one in due:
            print(f"{one.path}: would be uploaded, {_size(one)}")
        return
    failed = 0
    for one in due:
        try:
            print(f"{one.path}: {_sent(one, own)}", flush=True)
        except UploadError as error:
            failed += 1
            print(f"{one.path}: {error}", flush=True)
    if failed:
        raise UploadError(
            f"{failed} of {counted(len(due), 'run')} could not be uploaded, as told above; the "
            "same command tries again."
        )


def _sent(one: Upload, own: str) -> str:
    """Upload the parts of a run; what to say of it. A part that is followed by another may break
    off, as one does of a run that was killed."""
    from gptasks.tracking.wandb_upload import send

    sent = [send(part, own) for part in one.parts][-1]
    said = "uploaded" if sent.is_whole else "uploaded as far as it goes: it was killed meanwhile"
    return f"{said}{', ' * bool(sent.url)}{sent.url}"


def _told(due: Sequence[Upload], host: str, own: str) -> list[str]:
    """Where the runs go, and what is told of them."""
    lines = [f"to W&B at {host}"]
    places: dict[str, int] = {}
    for one in due:
        last = one.parts[-1]
        entity = last.entity or own or "the key's own user or team"
        place = f"project {last.project or 'uncategorized'} of {entity}"
        places[place] = places.get(place, 0) + 1
    lines += [f"{counted(n, 'run')} into {place}" for place, n in places.items()]
    lines.append("with configuration, curves, scores, predictions and labels")
    for has_texts, said in _TEXTS.items():
        paths = [str(one.path) for one in due if one.has_texts is has_texts]
        if paths:
            lines.append(said if len(paths) == len(due) else f"{said}: {listing(paths)}")
    return lines


def _left_out(found: Sequence[Upload]) -> list[str]:
    """Each reason, with the runs it is one for."""
    reasons: dict[str, list[str]] = {}
    for one in found:
        if one.left_out:
            reasons.setdefault(one.left_out, []).append(str(one.path))
    return [f"{reason}: {listing(paths, 4)}" for reason, paths in reasons.items()]


def _size(one: Upload) -> str:
    size = sum(part.file.stat().st_size for part in one.parts)
    parts = f"{len(one.parts)} parts, " if len(one.parts) > 1 else ""
    return f"{parts}{size / 1000:,.0f} kB"
