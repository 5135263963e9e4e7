"""Detection over more images than one machine holds: `ssd detect --engine ray`."""
