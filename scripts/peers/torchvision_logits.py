"""Writes the weights of ResNet-18, ResNet-50 and VGG-16-BN as torchvision saves them, and what it computes with them.

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
for name, side in (("resnet18", 64), ("resnet50", 64), ("vgg16_bn", 224)):
    torch.manual_seed(1)
    model = getattr(torchvision.models, name)(num_classes=10).eval()
    with torch.no_grad():
        for path, t in model.state_dict().items():
            if path.rsplit(".", 1)[0] + ".running_var" in model.state_dict():
                if path.endswith("running_var") or path.endswith("weight"):
                    t.copy_(0.5 + torch.rand(t.shape))
                elif not path.endswith("num_batches_tracked"):
                    t.copy_(0.1 * torch.randn(t.shape))
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        logits = model(images)
    save_file(model.state_dict(), folder / f"{name}.safetensors")
    save_file({"images": images, "logits": logits}, folder / f"{name}-logits.safetensors")
    print(f"{name}: logits up to {logits.abs().max():.3f}")
