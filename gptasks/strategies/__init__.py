"""What trains, and how: a strategy turns a backbone and encoded rows into a fitted model."""
