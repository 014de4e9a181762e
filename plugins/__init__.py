"""The task plugins that come with gptasks, made as a stranger's would be."""
