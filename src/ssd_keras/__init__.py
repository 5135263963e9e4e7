"""ssd-keras: the Single Shot MultiBox Detector on Keras 3."""
