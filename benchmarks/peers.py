"""Other detectors that a benchmark measures beside ours, where they are installed."""

from __future__ import annotations

from typing import Any


def import_torchvision() -> Any:
    """Import torchvision; None without it.

    Its package index has compiled operators for one build of torch only. Beside another build the import
    fails at operators that neither network nor loss needs: they are declared, and never called.
    """
    try:
        import torch
    except ImportError:
        return None
    try:
        import torchvision
    except ImportError:
        return None
    except RuntimeError:
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor boxes, Tensor scores, float iou) -> Tensor"
            )
        import torchvision
    return torchvision


class TorchvisionAugmentation:
    """The augmentation of torchvision's reference training of SSD, with its transforms of version 2.

    Args:
        torchvision: the module.
        size: (height, width) of the output.
        backend: "pil" (the reference's default) or "tensor".
    """

    def __init__(self, torchvision: Any, size: tuple[int, int], backend: str) -> None:
        import torch
        from torchvision.transforms import v2

        fill = {torchvision.tv_tensors.Image: (123, 117, 104), "others": 0}
        self.tensors = torchvision.tv_tensors
        self.torch = torch
        self.backend = backend
        self.chain = v2.Compose(
            [
                v2.RandomPhotometricDistort(),
                v2.RandomZoomOut(fill=(123, 117, 104) if backend == "pil" else fill),
                v2.RandomIoUCrop(),
                v2.RandomHorizontalFlip(),
                v2.Resize(size, antialias=False),
                v2.SanitizeBoundingBoxes(),
                *([v2.PILToTensor()] if backend == "pil" else []),
            ]
        )

    def __call__(self, image: Any, boxes_px: Any, labels: Any) -> Any:
        """Augment an image, encoded or (H, W, 3) uint8, with boxes (M, 4) in its pixels and labels (M,)."""
        import io

        from PIL import Image

        opened: Any = Image.open(io.BytesIO(image)).convert("RGB") if isinstance(image, bytes) else image
        if self.backend == "pil":
            opened = opened if isinstance(image, bytes) else Image.fromarray(image)
        else:
            import numpy as np

            opened = self.tensors.Image(self.torch.from_numpy(np.array(opened)).permute(2, 0, 1))
        height, width = opened.shape[-2:] if self.backend == "tensor" else opened.size[::-1]
        target = {
            "boxes": self.tensors.BoundingBoxes(boxes_px, format="XYXY", canvas_size=(height, width)),
            "labels": self.torch.from_numpy(labels),
        }
        return self.chain(opened, target)


class TorchvisionSSD300:
    """torchvision's SSD300: raw predictions and the training step.

    Args:
        torchvision: the module.
        classes: without background.
        bfloat16: compute in bfloat16 where PyTorch's automatic mixed precision does.
        channels_last: in its fastest layout, which is not its usual one.
    """

    def __init__(self, torchvision: Any, classes: int, bfloat16: bool, channels_last: bool = True) -> None:
        import torch

        self.torch = torch
        self.bfloat16 = bfloat16
        network = torchvision.models.detection.ssd300_vgg16(
            weights=None, weights_backbone=None, num_classes=classes + 1
        )
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=self.layout)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)

    def predict(self, images: Any) -> Any:
        """Compute the raw predictions of a batch (B, 300, 300, 3) uint8."""
        self.network.eval()
        with self.torch.inference_mode(), self._precision():
            return self.network.head(list(self.network.backbone(self._pixels(images)).values()))

    def look_at(self, files: Any, batch: int) -> None:
        """Read JPEG files, bring them to the network's size and compute the raw predictions, in batches."""
        import numpy as np
        from PIL import Image

        self.network.eval()
        for start in range(0, len(files), batch):
            read = [np.array(Image.open(file).convert("RGB")) for file in files[start : start + batch]]
            pixels = [self.torch.from_numpy(image).permute(2, 0, 1).float() / 255 for image in read]
            with self.torch.inference_mode(), self._precision():
                images, _ = self.network.transform(pixels)
                self.network.head(list(self.network.backbone(images.tensors).values()))

    def train(self, images: Any, boxes: Any, labels: Any) -> float:
        """Take one training step; boxes (B, M, 4) relative, labels (B, M) without padding."""
        self.network.train()
        targets = [
            {
                "boxes": self.torch.from_numpy(one * 300),
                "labels": self.torch.from_numpy(label).long() + 1,
            }
            for one, label in zip(boxes, labels, strict=True)
        ]
        with self._precision():
            losses = self.network(list(self._pixels(images) / 255), targets)
        loss = sum(losses.values())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def _pixels(self, images: Any) -> Any:
        pixels = self.torch.from_numpy(images).permute(0, 3, 1, 2).float()
        return pixels.contiguous(memory_format=self.layout)

    def _precision(self) -> Any:
        return self.torch.autocast("cpu", self.torch.bfloat16, enabled=self.bfloat16)
