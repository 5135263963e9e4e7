"""Weights that exist already: of Caffe, Keras 2 and PyTorch, and the heads of selected classes."""
