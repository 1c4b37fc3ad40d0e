"""Writes ResNet-18 and ResNet-50 weights as torchvision saves them, and what it computes with them.

    pip install torch torchvision safetensors
    python scripts/peers/torchvision_logits.py DIR
    node --conditions=source --import=tsx scripts/torchvision-logits.ts DIR

All numbers are random, the running statistics too, so that every tensor makes a difference.
"""

import sys
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name in ("18", "50"):
    torch.manual_seed(1)
    model = getattr(torchvision.models, f"resnet{name}")(num_classes=10).eval()
    with torch.no_grad():
        for path, t in model.state_dict().items():
            if "bn" in path or "downsample.1" in path:
                if path.endswith("running_var") or path.endswith("weight"):
                    t.copy_(0.5 + torch.rand(t.shape))
                elif not path.endswith("num_batches_tracked"):
                    t.copy_(0.1 * torch.randn(t.shape))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        logits = model(images)
    save_file(model.state_dict(), folder / f"{name}.safetensors")
    save_file({"images": images, "logits": logits}, folder / f"{name}-logits.safetensors")
    print(f"resnet{name}: logits up to {logits.abs().max():.3f}")
