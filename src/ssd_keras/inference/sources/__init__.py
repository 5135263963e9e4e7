"""Where images come from: files, folders, patterns, videos, cameras, standard input and links."""

from ssd_keras.inference.sources.opening import Reading, Sources, open_sources

__all__ = ["Reading", "Sources", "open_sources"]
