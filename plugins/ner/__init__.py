"""Named entities in tweets: a data set of a known kind, so a YAML file and no code."""

GPTASKS_CONTRACT = 2
