"""From files to rows: where they lie, how they are read, and how they are cut into splits."""
