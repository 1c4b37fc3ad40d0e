"""Writes ViT-Ti weights as timm and Hugging Face save them, and what these libraries compute with them.

    pip install -r scripts/peers/requirements-timm.txt
    python scripts/peers/timm_logits.py DIR
    node --conditions=source --import=tsx scripts/timm-logits.ts DIR

Each library has a file of weights and one of images and logits. All weights are random, the zero ones too, so that every
tensor makes a difference.
"""

import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from transformers import ViTConfig, ViTForImageClassification

SIZE, PATCH, WIDTH, LAYERS, HEADS, CLASSES = 64, 16, 192, 12, 3, 10


def randomized(model):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            start = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            p.copy_(start + 0.05 * torch.randn(p.shape, generator=generator))
    return model.eval()


def write(folder, name, model, logits_of):
    images = torch.randn(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        logits = logits_of(model(images))
    sizes = {"patch": PATCH, "width": WIDTH, "layers": LAYERS, "heads": HEADS}
    metadata = {key: str(value) for key, value in sizes.items()}
    save_file({"images": images, "logits": logits.contiguous()}, folder / f"{name}-logits.safetensors", metadata)
    print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters, logits up to {logits.abs().max():.3f}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    model = randomized(timm.create_model("vit_tiny_patch16_224", img_size=SIZE, num_classes=CLASSES))
    save_file(model.state_dict(), folder / "timm.safetensors")
    write(folder, "timm", model, lambda y: y)
    config = ViTConfig(
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        image_size=SIZE,
        patch_size=PATCH,
        num_labels=CLASSES,
    )
    model = randomized(ViTForImageClassification(config))
    model.save_pretrained(folder / "hf")
    (folder / "hf" / "model.safetensors").rename(folder / "hugging-face.safetensors")
    write(folder, "hugging-face", model, lambda y: y.logits)
