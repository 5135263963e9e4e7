"""How good a detector is: its detections against the ground truth, by the rules of the benchmarks.

Works on `Detections` and `GroundTruth` alone: it asks neither for the model that found the objects nor for
the backend.
"""
