"""The teacher: load, fine-tune, label."""
