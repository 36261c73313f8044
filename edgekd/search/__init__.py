"""Search for the loss weights, temperature and learning rate of a student (``edgekd distill --find-weights``)."""
