"""What the pytest plugin is made of. Imported piece by piece, and only by test runs that use it."""
