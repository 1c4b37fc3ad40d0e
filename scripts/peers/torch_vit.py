"""The same Vision Transformer in PyTorch, for comparison of numbers and of speed."""

import torch


def parameter_shapes(m, image, classes):
    """Paths and shapes in the order of ortgrad's manifest; m: patch, width, layers, heads, mlp, pool; image: [channels, height, width]."""
    d, patches = m["width"], (image[1] // m["patch"]) * (image[2] // m["patch"])
    with_class = m["pool"] == "class"
    shapes = {"embed/kernel": [image[0] * m["patch"] ** 2, d], "embed/bias": [d]}
    if with_class:
        shapes["cls"] = [d]
    shapes["positions"] = [patches + with_class, d]
    for i in range(m["layers"]):
        b = f"block{i}"
        shapes |= {f"{b}/norm1/scale": [d], f"{b}/norm1/bias": [d]}
        for name in ("query", "key", "value", "out"):
            shapes |= {f"{b}/attn/{name}/kernel": [d, d], f"{b}/attn/{name}/bias": [d]}
        shapes |= {f"{b}/norm2/scale": [d], f"{b}/norm2/bias": [d]}
        shapes |= {f"{b}/mlp/fc1/kernel": [d, m["mlp"]], f"{b}/mlp/fc1/bias": [m["mlp"]]}
        shapes |= {f"{b}/mlp/fc2/kernel": [m["mlp"], d], f"{b}/mlp/fc2/bias": [d]}
    shapes |= {"norm/scale": [d], "norm/bias": [d], "head/kernel": [d, classes], "head/bias": [classes]}
    return shapes


def draws(rate):
    """Dropout with masks of PyTorch's own."""
    return lambda path, x: torch.nn.functional.dropout(x, rate) if rate > 0 else x


def given(masks, rate):
    """Dropout with the masks of ortgrad, by the path of the layer."""
    return lambda path, x: x * masks[f"random/{path}/keep"] / (1 - rate) if rate > 0 else x


def logits_of(p, images, m, drop=draws(0)):
    d, heads, patch = m["width"], m["heads"], m["patch"]
    approximate = "tanh" if m.get("activation") == "gelu-tanh" else "none"
    linear = lambda name, x: torch.addmm(p[name + "/bias"], x.reshape(-1, x.shape[-1]), p[name + "/kernel"]).reshape(
        *x.shape[:-1], -1
    )
    norm = lambda name, x: torch.nn.functional.layer_norm(x, (d,), p[name + "/scale"], p[name + "/bias"], 1e-6)
    b, c, h, w = images.shape
    x = images.reshape(b, c, h // patch, patch, w // patch, patch).permute(0, 2, 4, 1, 3, 5)
    x = linear("embed", x.reshape(b, -1, c * patch * patch))
    if m["pool"] == "class":
        x = torch.cat([p["cls"].expand(b, 1, d), x], 1)
    x = drop("drop", x + p["positions"])
    for i in range(m["layers"]):
        block = f"block{i}"
        y = norm(f"{block}/norm1", x)
        q, k, v = (
            linear(f"{block}/attn/{name}", y).reshape(b, -1, heads, d // heads).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        # By hand: the fused attention kernels have no double backward on CPU.
        a = torch.softmax(q @ k.transpose(-1, -2) * (d // heads) ** -0.5, -1)
        y = linear(f"{block}/attn/out", (a @ v).transpose(1, 2).reshape(b, -1, d))
        x = x + drop(f"{block}/attn/out/drop", y)
        y = torch.nn.functional.gelu(linear(f"{block}/mlp/fc1", norm(f"{block}/norm2", x)), approximate=approximate)
        x = x + drop(f"{block}/mlp/fc2/drop", linear(f"{block}/mlp/fc2", drop(f"{block}/mlp/fc1/drop", y)))
    x = norm("norm", x)
    return linear("head", x[:, 0] if m["pool"] == "class" else x.mean(1))
