"""Box arithmetic, all of it: formats, IoU, anchors, matching, offsets, suppression.

Pure functions on arrays. Those that also run outside the network take NumPy arrays or tensors of the Keras
backend and answer in kind.
"""
