"""The command line. Only this package exits the process or prints."""
