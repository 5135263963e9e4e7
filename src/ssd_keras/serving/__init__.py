"""The detector as a service over HTTP: `ssd serve`."""
