"""From labelled photographs to batches: readers, augmentation, loader, inspection."""
