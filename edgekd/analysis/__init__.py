"""Pure functions from results to statistics and comparisons."""
