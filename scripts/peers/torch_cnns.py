"""VGG, wide residual networks and PyramidNets with the layouts, the paths and the random numbers of src/models, in PyTorch.
As a script it writes the golden numbers of test/models/cnns.test.ts, in float64:

    python scripts/peers/torch_cnns.py > test/goldens/cnns.json      # torch 2.14
    python scripts/peers/torch_cnns.py --counts                      # numbers of parameters at full size
"""

import json
import math
import sys

import torch
import torch.nn.functional as F

import philox
from torch_resnet import BATCH, CLASSES, LAMBDA, STEPS, Network, batch_of, formula, golden

SEED, POWER = 0, 2
# Tensors of more numbers are stored as so many waves' sums over them.
MOST, WAVES = 64, 24


class Vgg(Network):
    def __call__(self, images):
        y = images
        for stage, (count, width) in enumerate(zip(self.model["blocks"], self.model["widths"])):
            for i in range(count):
                path = f"stage{stage}/conv{i}"
                y = self.conv(path, y, width, 3) + self.param(f"{path}/bias", width)[:, None, None]
                y = F.relu(self.norm(f"stage{stage}/norm{i}", y))
            y = F.max_pool2d(y, 2)
        y = y.flatten(1)
        for i, width in enumerate(self.model.get("hidden", [])):
            y = self.dropout(f"fc{i + 1}/drop", F.relu(self.linear(f"fc{i + 1}", y, width)))
        return self.linear("head", y, self.classes)

    def dropout(self, path, x):
        rate = self.model.get("dropout", 0)
        if not self.training or rate == 0:
            return x
        return x * philox.mask(f"{path}/keep", x.shape, 1 - rate, SEED, self.step) / (1 - rate)


class WideResnet(Vgg):
    def __call__(self, images):
        y = self.conv("stem/conv", images, 16, 3)
        for stage in range(3):
            for i in range((self.model["depth"] - 4) // 6):
                width = 16 * 2**stage * self.model["widen"]
                y = self.block(f"stage{stage}/block{i}", y, width, 2 if stage > 0 and i == 0 else 1)
        return self.linear("head", F.relu(self.norm("norm", y)).mean((2, 3)), self.classes)

    def block(self, path, x, channels, stride):
        activated = F.relu(self.norm(f"{path}/norm1", x))
        y = F.relu(self.norm(f"{path}/norm2", self.conv(f"{path}/conv1", activated, channels, 3, stride)))
        # Channels last, as the mask is drawn.
        y = self.dropout(f"{path}/drop", y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = self.conv(f"{path}/conv2", y, channels, 3)
        return y + (x if x.shape == y.shape else self.conv(f"{path}/shortcut", activated, channels, 1, stride))


class Shake(torch.autograd.Function):
    """x·forward, whose derivative is that of x·backward: differentiated again."""

    @staticmethod
    def forward(ctx, x, forward, backward):
        ctx.save_for_backward(backward)
        return x * forward

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0], None, None


class Pyramidnet(Network):
    def __call__(self, images):
        per_stage = (self.model["depth"] - 2) // (9 if self.model["block"] == "bottleneck" else 6)
        y = self.normed("stem", "", images, 16, 3)
        # As the authors add them up.
        channels, count = 16.0, 3 * per_stage
        for k in range(count):
            channels += self.model["alpha"] / count
            stage, i = divmod(k, per_stage)
            path, stride = f"stage{stage}/block{i}", 2 if stage > 0 and i == 0 else 1
            branch = self.branch(path, y, round(channels), stride)
            keep = 1 - (k + 1) / count * self.model.get("shakeDrop", 0)
            short = y if stride == 1 else F.avg_pool2d(y, 2)
            short = F.pad(short, (0, 0, 0, 0, 0, branch.shape[1] - short.shape[1]))
            y = short + self.shaken(f"{path}/shake", branch, keep)
        return self.linear("head", F.relu(self.norm("norm", y)).mean((2, 3)), self.classes)

    def branch(self, path, x, channels, stride):
        y = self.norm(f"{path}/norm1", x)
        if self.model["block"] == "basic":
            y = F.relu(self.norm(f"{path}/norm2", self.conv(f"{path}/conv1", y, channels, 3, stride)))
            return self.norm(f"{path}/norm3", self.conv(f"{path}/conv2", y, channels, 3))
        y = F.relu(self.norm(f"{path}/norm2", self.conv(f"{path}/conv1", y, channels, 1)))
        y = F.relu(self.norm(f"{path}/norm3", self.conv(f"{path}/conv2", y, channels, 3, stride)))
        return self.norm(f"{path}/norm4", self.conv(f"{path}/conv3", y, 4 * channels, 1))

    def shaken(self, path, x, keep):
        if keep == 1 or not self.training:
            return x * keep
        about = ((len(x), 1, 1, 1), SEED, self.step)
        b = philox.mask(f"{path}/keep", about[0], keep, *about[1:])
        alpha = 2 * philox.uniform(f"{path}/alpha", *about) - 1
        beta = philox.uniform(f"{path}/beta", *about)
        return Shake.apply(x, b + alpha - b * alpha, b + beta - b * beta)


NETWORKS = {"vgg": Vgg, "wide-resnet": WideResnet, "pyramidnet": Pyramidnet}
# The model as a spec has it, pixels of a side, and the learning rate: small where float32 would part from float64.
MODELS = {
    "VGG": ({"kind": "vgg", "blocks": [1, 2], "widths": [4, 6], "hidden": [7], "dropout": 0.5}, 8, 0.01),
    "wide ResNet": ({"kind": "wide-resnet", "depth": 10, "widen": 1, "dropout": 0.3}, 8, 0.01),
    "PyramidNet": ({"kind": "pyramidnet", "block": "bottleneck", "depth": 11, "alpha": 5, "shakeDrop": 0.5}, 8, 0.01),
    "PyramidNet of basic blocks": (
        {"kind": "pyramidnet", "block": "basic", "depth": 14, "alpha": 8, "shakeDrop": 0.5},
        16,
        0.01,
    ),
}
COUNTS = [
    ({"kind": "pyramidnet", "block": "bottleneck", "depth": 11, "alpha": 12}, 32),
    ({"kind": "pyramidnet", "block": "basic", "depth": 110, "alpha": 84}, 32),
    ({"kind": "pyramidnet", "block": "bottleneck", "depth": 164, "alpha": 48}, 32),
    ({"kind": "pyramidnet", "block": "bottleneck", "depth": 272, "alpha": 200}, 32),
    ({"kind": "wide-resnet", "depth": 10, "widen": 1}, 32),
    ({"kind": "wide-resnet", "depth": 16, "widen": 4}, 32),
    ({"kind": "wide-resnet", "depth": 28, "widen": 10}, 32),
    ({"kind": "wide-resnet", "depth": 40, "widen": 10}, 32),
    ({"kind": "vgg", "blocks": [1, 1, 1], "widths": [16, 32, 64]}, 32),
]


def short(tensors):
    """Each tensor's numbers, or the sums Σ xᵢ·sin((0.7 + 0.1j)·i + j) over them."""

    def sums(x):
        x = x.detach().flatten()
        if len(x) > MOST:
            i = torch.arange(len(x), dtype=torch.float64)
            x = torch.stack([(x * torch.sin((0.7 + 0.1 * j) * i + j)).sum() for j in range(WAVES)])
        return [float(f"{value:.8g}") for value in x.tolist()]

    return {path: sums(x) for path, x in tensors.items()}


def evaluated(model, image):
    """Logits at evaluation, with running statistics by formula."""
    network = NETWORKS[model["kind"]](model, CLASSES, formula(POWER))
    images, _ = batch_of(image, 0, POWER)
    network(images)
    for k, (path, t) in enumerate(network.state.items()):
        wave = torch.sin(0.9 * torch.arange(len(t), dtype=torch.float64) + k)
        t.copy_(0.3 * wave if path.endswith("mean") else 1 + 0.5 * wave)
    network.training = False
    return network(images)


def zeros(path, shape):
    return torch.zeros(shape)


if __name__ == "__main__":
    if "--counts" in sys.argv:
        for model, side in COUNTS:
            network = NETWORKS[model["kind"]](model, 10, zeros)
            network(torch.zeros(2, 3, side, side))
            print(json.dumps(model), sum(math.prod(t.shape) for t in network.p.values()))
        sys.exit()
    shared = {"power": POWER, "batch": BATCH, "classes": CLASSES, "lambda": LAMBDA, "steps": STEPS}
    out = {}
    for name, (model, side, rate) in MODELS.items():
        about = {"model": model, "image": {"channels": 2, "height": side, "width": side}, "rate": rate}
        numbers = golden(**about, network_of=NETWORKS[model["kind"]], rounded=short, power=POWER)
        out[name] = {**about, **shared, **numbers, **short({"evaluated": evaluated(model, about["image"])})}
    print(json.dumps(out))
