"""How good a detector is: its detections against the ground truth, by the rules of the benchmarks.

`voc` and `coco` give the official numbers; `analysis` says where a detector errs and at which threshold to
use it. All start from one `table` of detections and objects, which is judged (`judging`) by the rules of a
protocol (`protocols`).

Works on `Detections` and `GroundTruth` alone: it asks neither for the model that found the objects nor for
the backend.
"""
