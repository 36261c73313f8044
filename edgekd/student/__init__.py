"""Students: architectures, losses and the distillation loop."""
