"""The gradient by ONNX Runtime training 1.19.2, for comparison of numbers and of speed: the loss that ortgrad writes as
standard ONNX, differentiated and run by ONNX Runtime. Speaks as torch_vit.py does; gradient only.
"""

import json
import sys
import time

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
from onnxruntime.capi import _pybind_state as ort
from safetensors.numpy import load_file, save_file

# The opset of 1.19, older than ours: what the loss uses of it has not changed since.
LATEST = 21


def complete_normalizations(graph):
    """The gradient builder wants a scale and a bias that no other LayerNormalization has: it names their gradients."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "LayerNormalization" or node.input[1] not in constants:
            continue
        scale = onnx.numpy_helper.to_array(constants[node.input[1]])
        own = {f"{node.name}/scale": scale, f"{node.name}/bias": np.zeros_like(scale)}
        graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in own.items())
        node.input[:] = [node.input[0], *own]


def gradient_model(loss_file, parameters):
    """ONNX of the loss, and of its gradient with respect to some inputs; and the gradients' names."""
    model = onnx.load(loss_file)
    for opset in model.opset_import:
        if opset.domain == "":
            opset.version = min(opset.version, LATEST)
    complete_normalizations(model.graph)
    builder = ort.GradientGraphBuilder(
        model.SerializeToString(), {"loss"}, set(parameters), "loss", onnxruntime.SessionOptions()
    )
    builder.build()
    built = onnx.load_from_string(builder.get_model())
    made = {name for node in built.graph.node for name in node.output}
    gradients = {path: f"{path}_grad" for path in parameters}
    missing = [path for path, name in gradients.items() if name not in made]
    if missing:
        raise RuntimeError(f"no gradient of {missing[0]}")
    outputs = {value.name for value in built.graph.output}
    for path, name in gradients.items():
        if name not in outputs:
            built.graph.output.append(
                onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, parameters[path].shape)
            )
    return built, gradients


def load(job):
    weights, inputs = load_file(job["weights"]), load_file(job["inputs"])
    model, gradients = gradient_model(job["files"]["loss"], weights)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    options.log_severity_level = 3
    begin = time.perf_counter()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    feeds = {
        **weights,
        "images": inputs["images"],
        "labels": inputs["labels"],
        "label_smoothing": np.float32(job["labelSmoothing"]),
        "loss_grad": np.float32(1),
    }
    return {
        "session": session,
        "feeds": {name: np.asarray(value) for name, value in feeds.items() if name in wanted},
        "outputs": ["loss", *gradients.values()],
        "paths": list(gradients),
        "create": 1000 * (time.perf_counter() - begin),
    }


def memory():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {"rss_peak": int(fields["VmHWM"].split()[0]) * 1024}


def answer(message, state):
    if message["cmd"] == "load":
        state.update(load(message["job"]))
        return memory()
    start = time.perf_counter()
    loss, *gradients = state["session"].run(state["outputs"], state["feeds"])
    # As the other side's graph does.
    norm = np.sqrt(sum(np.vdot(g, g) for g in gradients))
    ms = 1000 * (time.perf_counter() - start)
    if message["cmd"] == "results":
        tensors = {"loss": np.asarray(loss), "grad_norm": np.asarray(norm)}
        tensors |= {f"grad/{path}": g for path, g in zip(state["paths"], gradients)}
        save_file({name: np.ascontiguousarray(t, np.float32) for name, t in tensors.items()}, message["path"])
    return {"ms": ms, "create": state["create"], **memory()}


def serve():
    state = {}
    for line in sys.stdin:
        message = json.loads(line)
        if message["cmd"] == "exit":
            return
        try:
            reply = answer(message, state)
        except Exception as error:  # the parent reports it
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    serve()
