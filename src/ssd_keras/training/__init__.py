"""Training: recipe, run folder, trainer."""
