"""Base networks: each a function from an image tensor to the feature maps that are predicted from."""
