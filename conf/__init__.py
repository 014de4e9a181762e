"""The core's own configuration: YAML files of chosen values, one folder per group."""
