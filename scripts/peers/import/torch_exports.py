"""Networks of PyTorch, exported by both exporters, with what PyTorch computes of them: outputs, a loss, its gradient, and
the gradient of the squared norm of that gradient (double backward). `npm run peers:import-torch -- FOLDER` compares.

    python scripts/peers/import/torch_exports.py FOLDER [names…]

torch 2.14.1, torchvision 0.29.1, onnx 1.23.2, onnxscript 0.7.2. Weights are PyTorch's random ones of seed 0.
"""
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.lstm = nn.LSTM(16, 24, num_layers=2, bidirectional=True, batch_first=True)
        self.out = nn.Linear(48, 10)

    def forward(self, ids):
        states, _ = self.lstm(self.embedding(ids))
        return self.out(states[:, -1])


class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 12, batch_first=True)
        self.out = nn.Linear(12, 10)

    def forward(self, x):
        states, _ = self.gru(x)
        return self.out(states.mean(1))


class Block(nn.Module):
    """A block of BERT (post-norm, with a mask) or of GPT (pre-norm, causal)."""

    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def attend(self, x, mask):
        b, t, w = x.shape
        q, k, v = (f(x).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(b, t, w))

    def forward(self, x, mask=None):
        if self.causal:
            x = x + self.attend(self.norm1(x), None)
            return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))
        x = self.norm1(x + self.attend(x, mask))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(100, 32), nn.Embedding(16, 32)
        self.norm = nn.LayerNorm(32)
        self.blocks = nn.ModuleList(Block(32, 2, False) for _ in range(2))
        self.pooler, self.out = nn.Linear(32, 32), nn.Linear(32, 10)

    def forward(self, ids, mask):
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.positions(places))
        allowed = (1.0 - mask[:, None, None, :].to(x.dtype)) * -10000.0
        for block in self.blocks:
            x = block(x, allowed)
        return self.out(torch.tanh(self.pooler(x[:, 0])))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(64, 32), nn.Embedding(16, 32)
        self.blocks = nn.ModuleList(Block(32, 4, True) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 64, bias=False)

    def forward(self, ids):
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.words(ids) + self.positions(places)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))[:, -1]


class UNet(nn.Module):
    """Down, up by a transposed convolution and by interpolation, with skips; group and instance norms."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU())
        self.down = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.InstanceNorm2d(16, affine=True), nn.ELU())
        self.middle = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(16, 16, 3, padding=2, dilation=2), nn.Mish())
        self.up1 = nn.ConvTranspose2d(16, 16, 2, stride=2)
        self.join = nn.Sequential(nn.Conv2d(32, 8, 3, padding=1), nn.LeakyReLU(0.1))
        self.last = nn.Conv2d(16, 4, 1)

    def forward(self, x):
        a = self.first(x)
        b = self.down(a)
        c = self.up1(self.middle(b))
        d = self.join(torch.cat([b, c], 1))
        up = F.interpolate(d, scale_factor=2, mode="bilinear", align_corners=False)
        return self.last(torch.cat([a, up], 1))


def images(size, batch=2):
    return lambda g: (torch.randn(batch, 3, size, size, generator=g),)


def ids(count, tokens, batch=3):
    return lambda g: (torch.randint(0, count, (batch, tokens), generator=g),)


def bert_inputs(g):
    mask = torch.ones(3, 12, dtype=torch.int64)
    mask[1, 8:] = 0
    return (torch.randint(0, 100, (3, 12), generator=g), mask)


def vision(name, **options):
    def make():
        import torchvision.models as models

        return getattr(models, name)(num_classes=10, **options)

    return make


def swin():
    from torchvision.models.swin_transformer import SwinTransformer

    return SwinTransformer([2, 2], 24, [2, 2], [3, 6], [4, 4], stochastic_depth_prob=0.0, num_classes=10)


def vit():
    from torchvision.models import VisionTransformer

    return VisionTransformer(32, 8, 2, 4, 48, 96, num_classes=10)


NETWORKS = {
    "lstm": (Lstm, ids(50, 7)),
    "gru": (Gru, lambda g: (torch.randn(3, 5, 8, generator=g),)),
    "gpt": (Gpt, ids(64, 12)),
    "bert": (Bert, bert_inputs),
    "unet": (UNet, images(16)),
    "vit": (vit, images(32)),
    "swin": (swin, images(32)),
    "resnet18": (vision("resnet18"), images(64)),
    "mobilenet_v3_small": (vision("mobilenet_v3_small"), images(64)),
    "efficientnet_b0": (vision("efficientnet_b0"), images(64)),
    "convnext_tiny": (vision("convnext_tiny"), images(64)),
}


def twice_differentiable():
    """PyTorch's fused hard sigmoid and hard swish have no second derivative; their formulas do."""
    F.hardsigmoid = lambda x, inplace=False: F.relu6(x + 3) / 6
    F.hardswish = lambda x, inplace=False: x * F.relu6(x + 3) / 6


def loss_of(y, targets):
    return F.cross_entropy(y, targets) if y.dim() == 2 else (y * y).mean()


def export(network, inputs, path, exporter):
    names = [f"input{i}" for i in range(len(inputs))]
    common = dict(input_names=names, output_names=["output"])
    if exporter == "script":
        torch.onnx.export(
            network, inputs, str(path), dynamo=False, opset_version=17, do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            dynamic_axes={name: {0: "batch"} for name in [*names, "output"]}, **common,
        )
    else:
        batch = torch.export.Dim("batch", min=1, max=64)
        torch.onnx.export(
            network, inputs, str(path), dynamo=True, external_data=False,
            dynamic_shapes=tuple({0: batch} for _ in inputs), **common,
        )


def matches(path, network):
    """Which initializer of the file is which parameter, perhaps transposed."""
    parameters = {name: p.detach().numpy() for name, p in network.named_parameters()}
    found = []
    for tensor in onnx.load(str(path)).graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.ndim == 0:
            continue
        for name, value in parameters.items():
            is_named = tensor.name == name
            if value.shape == array.shape and np.array_equal(value, array) and (is_named or value.std() > 0):
                found.append((tensor.name, name, False))
                break
            if value.ndim == 2 and value.T.shape == array.shape and np.array_equal(value.T, array) and value.std() > 0:
                found.append((tensor.name, name, True))
                break
    return found


def main():
    folder, *only = sys.argv[1:]
    written = []
    for name, (make, draw) in NETWORKS.items():
        if only and name not in only:
            continue
        torch.manual_seed(0)
        network = make().eval()
        # Exporters store equal tensors once, and then norms that start alike would share their weights.
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        g = torch.Generator().manual_seed(1)
        inputs = draw(g)
        targets = torch.randint(0, 10, (inputs[0].shape[0],), generator=g)
        for exporter in ("script", "dynamo"):
            out = Path(folder) / f"{name}-{exporter}"
            out.mkdir(parents=True, exist_ok=True)
            try:
                export(network, inputs, out / "model.onnx", exporter)
            except Exception as error:
                print(name, exporter, "export failed:", str(error).splitlines()[0][:200], flush=True)
                continue
            written.append((out, network, inputs, targets))
            print(name, exporter, "exported", flush=True)
    twice_differentiable()
    for each in written:
        write(*each)
        print(each[0].name, "differentiated", flush=True)


def write(out, network, inputs, targets):
    found = matches(out / "model.onnx", network)
    parameters = dict(network.named_parameters())
    chosen = [parameters[name] for _, name, _ in found]
    # The fused attention of PyTorch has no second derivative.
    with sdpa_kernel(SDPBackend.MATH):
        y = network(*inputs)
    loss = loss_of(y, targets)
    gradients = torch.autograd.grad(loss, chosen, create_graph=True)
    norm = sum((each * each).sum() for each in gradients)
    seconds = torch.autograd.grad(norm, chosen)
    def packed(tensors):
        turned = [t.detach().T if swap else t.detach() for t, (_, _, swap) in zip(tensors, found)]
        return np.concatenate([t.contiguous().numpy().ravel() for t in turned]).astype(np.float32)
    for i, x in enumerate(inputs):
        x.numpy().tofile(out / f"input{i}.bin")
    y.detach().numpy().tofile(out / "output.bin")
    targets.numpy().astype(np.int32).tofile(out / "targets.bin")
    packed(gradients).tofile(out / "gradients.bin")
    packed(seconds).tofile(out / "seconds.bin")
    meta = {
        "inputs": [{"dtype": str(x.dtype).split(".")[-1], "shape": list(x.shape)} for x in inputs],
        "output": list(y.shape),
        "loss": float(loss.detach()),
        "norm": float(norm.detach()),
        "parameters": [initializer for initializer, _, _ in found],
        "of": len(parameters),
    }
    (out / "meta.json").write_text(json.dumps(meta))


if __name__ == "__main__":
    main()
