"""A training step of the recipes `gnp-vit` and `gnp-cnn`, written after the authors' code (github.com/zhaoyang-0204/gnp:
training_core.py, utli.py, vit_model.py, get_optimizer.py, lr_schedule.py), in JAX with flax's layers and optax's
optimizers.

`npm run bench:recipes` starts it in a process of its own, and compares:

    python3 scripts/peers/jax_recipes.py job.json

The job names a safetensors file with `weights/PATH`, and for each step `images`, `labels` and the dropout masks, and says
the options of the run and its number of steps. Writes a safetensors file with `losses` and, after each step, `STEP/PATH`.
A perturbation group is a device of the authors': `jax.vmap` with their axis 'batch' stands for their `jax.pmap`.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import load_file, save_file


class Network:
    """Parameters lie in a tree by the parts of their paths; each layer is flax's, given its part of the tree."""

    def __init__(self, model, outputs, masks, params, stats):
        self.model, self.outputs, self.masks, self.params, self.stats = model, outputs, masks, params, stats
        self.new_stats = {}

    def at(self, path, tree=None):
        tree = self.params if tree is None else tree
        for part in path.split("/"):
            tree = tree[part]
        return tree

    def dense(self, path, x):
        kernel = self.at(path)["kernel"]
        return nn.Dense(kernel.shape[1]).apply({"params": self.at(path)}, x)

    def dropout(self, path, x, rate):
        """flax's Dropout, with a mask that was handed over in place of one that it draws."""
        return jnp.where(self.masks[f"random/{path}/keep"], x / (1 - rate), 0) if rate > 0 else x


class VisionTransformer(Network):
    def __call__(self, images):
        m, rate = self.model, self.model["dropout"]
        n, channels = images.shape[:2]
        patch, width = m["patch"], m["width"]
        # Images have their channels first, and the kernel a row for each (channel, row, column) of a patch.
        embed = self.at("embed")
        kernel = embed["kernel"].reshape(channels, patch, patch, width).transpose(1, 2, 0, 3)
        convolution = nn.Conv(width, kernel_size=(patch, patch), strides=(patch, patch), padding="VALID")
        x = convolution.apply({"params": {"kernel": kernel, "bias": embed["bias"]}}, images.transpose(0, 2, 3, 1))
        x = x.reshape(n, -1, width)
        x = jnp.concatenate([jnp.tile(self.params["cls"], [n, 1, 1]), x], axis=1)
        x = self.dropout("drop", x + self.params["positions"], rate)
        for i in range(m["layers"]):
            x = self.block(f"block{i}", x, rate)
        return self.dense("head", self.norm("norm", x)[:, 0])

    def norm(self, path, x):
        return nn.LayerNorm().apply({"params": self.at(path)}, x)

    def block(self, path, inputs, rate):
        x = self.attention(f"{path}/attn", self.norm(f"{path}/norm1", inputs))
        x = self.dropout(f"{path}/attn/out/drop", x, rate) + inputs
        y = nn.gelu(self.dense(f"{path}/mlp/fc1", self.norm(f"{path}/norm2", x)))
        y = self.dense(f"{path}/mlp/fc2", self.dropout(f"{path}/mlp/fc1/drop", y, rate))
        return x + self.dropout(f"{path}/mlp/fc2/drop", y, rate)

    def attention(self, path, x):
        heads, width = self.model["heads"], self.model["width"]
        size = width // heads

        def with_mask(query, key, value, **_):
            weights = nn.dot_product_attention_weights(query, key)
            weights = self.dropout(f"{path}/drop", weights, self.model["attentionDropout"])
            return jnp.einsum("...hqk,...khd->...qhd", weights, value)

        p = self.at(path)
        split = {
            name: {"kernel": p[name]["kernel"].reshape(width, heads, size), "bias": p[name]["bias"].reshape(heads, size)}
            for name in ("query", "key", "value")
        }
        out = {"kernel": p["out"]["kernel"].reshape(heads, size, width), "bias": p["out"]["bias"]}
        layer = nn.MultiHeadDotProductAttention(num_heads=heads, attention_fn=with_mask, deterministic=True)
        return layer.apply({"params": {**split, "out": out}}, x, x)


class WideResNet(Network):
    """The wide ResNet of src/models/wide-resnet.ts, whose shortcuts and paddings are not those of the authors' network."""

    def __call__(self, images):
        y = self.conv("stem/conv", images.transpose(0, 2, 3, 1), 1)
        for stage in range(3):
            for i in range((self.model["depth"] - 4) // 6):
                y = self.block(f"stage{stage}/block{i}", y, 2 if stage > 0 and i == 0 else 1)
        y = self.activation("norm", y)
        return self.dense("head", nn.avg_pool(y, y.shape[1:3]).reshape(y.shape[0], -1))

    def conv(self, path, x, stride):
        kernel = self.at(path)["kernel"]
        size, channels = kernel.shape[0], kernel.shape[3]
        padding = [(size // 2, size // 2)] * 2
        layer = nn.Conv(channels, (size, size), (stride, stride), padding=padding, use_bias=False)
        return layer.apply({"params": {"kernel": kernel}}, x)

    def activation(self, path, x):
        stats = self.at(path, self.stats)
        layer = nn.BatchNorm(use_running_average=False, momentum=0.9, epsilon=1e-5)
        variables = {"params": self.at(path), "batch_stats": {"mean": stats["mean"], "var": stats["variance"]}}
        y, new = layer.apply(variables, x, mutable=["batch_stats"])
        # flax's running variance divides by the count, that of src/layers/batch-norm.ts by one less.
        count = x.size / x.shape[-1]
        fresh = new["batch_stats"]["var"] - 0.9 * stats["variance"]
        variance = 0.9 * stats["variance"] + fresh * (count / (count - 1))
        self.new_stats |= {f"{path}/mean": new["batch_stats"]["mean"], f"{path}/variance": variance}
        return jax.nn.relu(y)

    def block(self, path, x, stride):
        activated = self.activation(f"{path}/norm1", x)
        y = self.conv(f"{path}/conv1", activated, stride)
        y = self.conv(f"{path}/conv2", self.activation(f"{path}/norm2", y), 1)
        return y + (x if x.shape == y.shape else self.conv(f"{path}/shortcut", activated, stride))


NETWORKS = {"vit": VisionTransformer, "wide-resnet": WideResNet}


def cross_entropy_loss(logits, one_hot_labels):
    return -jnp.sum(one_hot_labels * jax.nn.log_softmax(logits)) / logits.shape[0]


def global_norm(tree):
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree_util.tree_leaves(tree)))


def dual_vector(tree):
    length = global_norm(tree)
    return jax.tree_util.tree_map(lambda t: t / length, tree)


def clip_by_global_norm(tree, most):
    length = global_norm(tree)
    return jax.tree_util.tree_map(lambda t: jnp.where(length < most, t, t / length * most), tree)


def schedule_of(config, per_epoch):
    return optax.warmup_cosine_decay_schedule(
        init_value=0,
        peak_value=config["learningRate"],
        warmup_steps=round(config["warmupEpochs"] * per_epoch),
        decay_steps=config["epochs"] * per_epoch,
    )


def optimizer_of(config, schedule):
    """All parameters decay with adamw; with sgd the optimizer decays none, since L2 is in the loss."""
    if config["optimizer"] == "adamw":
        return optax.inject_hyperparams(optax.adamw)(learning_rate=schedule, weight_decay=config["weightDecay"])
    return optax.inject_hyperparams(optax.sgd)(
        learning_rate=schedule, momentum=config["momentum"], nesterov=config["nesterov"]
    )


def expect_recipe(config):
    """What the authors' code has no switch for."""
    is_l2 = config["weightDecayIn"] == "loss"
    assert config["decayAll"] and config["gr"] == "fd" and config["mix"] == "normalized", config
    assert (config["optimizer"] == "sgd") == is_l2 and config["schedule"] == "cosine", config
    assert config["labelSmoothing"] == 0 and config["ema"] == 0 and config["clip"] > 0, config


def train_step_of(job, optimizer):
    config, network = job["config"], job["network"]
    l2_reg = config["weightDecay"] if config["weightDecayIn"] == "loss" else 0.0
    warmup = round(config["warmupEpochs"] * job["stepsPerEpoch"])
    build = NETWORKS[network["model"]["kind"]]

    def train_step(opt_state, params, stats, batch, masks, regularized):
        def forward_and_loss(params):
            own = build(network["model"], network["outputs"], masks, params, stats)
            logits = own(batch["image"])
            cross_entropy = cross_entropy_loss(logits, batch["label"])
            weight_l2 = sum(jnp.sum(x**2) for x in jax.tree_util.tree_leaves(params))
            return cross_entropy + l2_reg * 0.5 * weight_l2, (own.new_stats, cross_entropy)

        def get_gnp_gradient(r, alpha):
            (_, aux), grad = jax.value_and_grad(forward_and_loss, has_aux=True)(params)
            # sync_perturbations is off: each device perturbs along the gradient of its own examples.
            grad = dual_vector(grad)
            noised_model = jax.tree_util.tree_map(lambda a, b: a + r * b, params, grad)
            _, grad_noised = jax.value_and_grad(forward_and_loss, has_aux=True)(noised_model)
            return aux, jax.tree_util.tree_map(lambda a, b: (1 - alpha) * a + alpha * b, grad, grad_noised)

        r, alpha = config["r"], config["alpha"]
        # `train_for_one_epoch` of zero-warmup takes a step of r = 0 in the epochs of warmup.
        if regularized:
            share = jnp.minimum(1, opt_state.count / max(warmup, 1)) if warmup else 1
            r = r * share if config["grWarmup"] == "r" else r
            alpha = alpha * share if config["grWarmup"] == "lambda" else alpha
            (new_stats, loss), grad = get_gnp_gradient(r, alpha)
        else:
            (_, (new_stats, loss)), grad = jax.value_and_grad(forward_and_loss, has_aux=True)(params)
        grad = jax.lax.pmean(grad, "batch")
        grad = clip_by_global_norm(grad, config["clip"])
        updates, new_opt_state = optimizer.update(grad, opt_state, params)
        return new_opt_state, optax.apply_updates(params, updates), new_stats, jax.lax.pmean(loss, "batch")

    return train_step


def on_devices(train_step):
    """As `jax.pmap`: what is sharded has an axis of devices in front, and parameters and optimizer stay the same on all."""
    mapped = jax.vmap(train_step, in_axes=(None, None, 0, 0, 0, None), axis_name="batch")

    def step(opt_state, params, stats, batch, masks, regularized):
        out = mapped(opt_state, params, stats, batch, masks, regularized)
        first = lambda tree: jax.tree_util.tree_map(lambda t: t[0], tree)
        return first(out[0]), first(out[1]), out[2], out[3][0]

    return jax.jit(step, static_argnums=5)


def main(job):
    jax.config.update("jax_enable_x64", job["float64"])
    # To compile takes longer than 30 steps of a small network.
    jax.config.update("jax_disable_most_optimizations", True)
    expect_recipe(job["config"])
    dtype = np.float64 if job["float64"] else np.float32
    given = load_file(job["tensors"])
    trees = {"params": {}, "stats": {}}
    for name, values in given.items():
        if name.startswith("weights/"):
            path = tuple(name.split("/")[1:])
            trees["stats" if path[-1] in ("mean", "variance") else "params"][path] = jnp.asarray(values, dtype)
    params, devices = unflatten_dict(trees["params"]), job["config"]["perturbationGroups"]
    stats = unflatten_dict({k: jnp.stack([v] * devices) for k, v in trees["stats"].items()})
    optimizer = optimizer_of(job["config"], schedule_of(job["config"], job["stepsPerEpoch"]))
    opt_state = optimizer.init(params)
    step_fn = on_devices(train_step_of(job, optimizer))
    shard = lambda values: jnp.asarray(values.reshape(devices, -1, *values.shape[1:]))
    warmup = job["config"]["warmupEpochs"] if job["config"]["grWarmup"] == "zero" else 0
    out, losses = {}, []
    for step in range(job["steps"]):
        labels = jax.nn.one_hot(given["labels"][step], job["network"]["outputs"], dtype=dtype)
        batch = {"image": shard(given["images"][step].astype(dtype)), "label": shard(np.asarray(labels))}
        masks = {k: shard(v[step] != 0) for k, v in given.items() if k.startswith("random/")}
        regularized = step // job["stepsPerEpoch"] >= warmup
        opt_state, params, new_stats, loss = step_fn(opt_state, params, stats, batch, masks, regularized)
        stats = unflatten_dict({tuple(k.split("/")): v for k, v in new_stats.items()})
        losses.append(float(loss))
        # Devices keep running statistics of their own, and evaluation takes their mean.
        left = {**flatten_dict(params), **{k: v.mean(0) for k, v in flatten_dict(stats).items()}}
        out |= {f"{step}/{'/'.join(k)}": np.asarray(v, np.float32) for k, v in left.items()}
    save_file(out, job["out"])
    print(json.dumps({"losses": losses, "versions": {"jax": jax.__version__, "optax": optax.__version__}}))


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
