"""Which words a bundle's answer rests on, and how far that can be trusted. Imports neither torch nor transformers."""
