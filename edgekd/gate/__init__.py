"""The gate: rules in, one of three verdicts out. Pass, fail, or cannot tell."""
