"""Exporting detectors: one file that anyone can run, checked against Keras when it is made.

`exporting.export_detector` is the story:

1. `worker`, a process of its own on TensorFlow, whatever the backend of the caller, loads the model in
   float32, traces it as one function from images to detections (`tracing`), writes it (`artefact_files`,
   `onnx_graph`) and says what Keras itself finds in the images of the check;
2. the artefact is run by its own runtime on the same images, and its detections are compared with those of
   Keras (`comparison`);
3. only an artefact that finds the same takes its place under the name that was asked for.
"""
