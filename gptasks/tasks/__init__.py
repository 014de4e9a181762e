"""The kinds of task: what is learnt, knowing no data set."""
