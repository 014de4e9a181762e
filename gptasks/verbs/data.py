"""`gptasks data task=… [key=value …] [--row N]`: what the model will see of the data."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from gptasks.arguments import Parser
from gptasks.errors import ConfigError

logger = logging.getLogger(__name__)


def run(argv: Sequence[str]) -> None:
    parser = Parser(
        "data",
        "Show what a training of these overrides would see: counts, lengths, labels and "
        "duplicates of all rows; or one row, token by token.",
    )
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="as for training")
    parser.add_argument("--row", metavar="N", help="a row's number in its split, from 1, or its id")
    parser.add_argument("--split", metavar="NAME", help="train, validation or test; of --row N")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse(argv)
    if options.split and options.row is None:
        raise ConfigError("data --split NAME says which split --row N is of; give --row too.")

    from gptasks.config import compose
    from gptasks.preview import Preview
    from gptasks.preview_page import row_page, survey_page

    preview = Preview(compose(options.overrides))
    if options.row is None:
        survey = preview.survey()
        if survey.refusal:
            logger.warning("training refuses this: %s", survey.refusal)
        found, page = survey.as_json(), survey_page(survey)
    else:
        row = preview.row(options.row, options.split)
        found, page = row.as_json(), row_page(row)
    print(json.dumps(found, indent=2, ensure_ascii=False, default=str) if options.json else page)
