"""The derivatives that PyPI `onnx-ad` 0.3.0 writes of a model: of all its outputs by some of its weights, and of those again.

    python scripts/peers/import/onnx_ad_second.py FOLDER

FOLDER has model.onnx and about.json: {"inputs": {name: shape}, "weights": {name: shape}, "values": {name: shape}, "outputs":
[names]}. Both models written there take the inputs and the weights. first.onnx takes seeds adj_OUTPUT_z [..., 1] of
z = y + y²/2 and gives adj_WEIGHT, the gradient. second.onnx is forward over reverse: it takes directions fwd_WEIGHT [..., 1]
besides and gives fwd_adj_WEIGHT, the Hessian times these. Where onnx-ad cannot differentiate its gradient, the reason is
printed, and second.onnx is forward over forward: it takes directions fwd_WEIGHT [..., 1] and fwd2_WEIGHT [..., k] and gives
fwd2_fwd_OUTPUT_z, the second derivatives of z along both.
"""
import json
import sys

import onnx
from onnx import TensorProto, helper, version_converter
from onnx_ad import UnsupportedOperator, forward, reverse


def main():
    (folder,) = sys.argv[1:]
    about = json.load(open(f"{folder}/about.json"))
    model = onnx.load(f"{folder}/model.onnx")
    if next(o.version for o in model.opset_import if o.domain == "") < 16:
        # The converter knows no initializer that is not an input.
        known = {v.name for v in model.graph.input}
        model.graph.input.extend(
            helper.make_tensor_value_info(t.name, t.data_type, t.dims)
            for t in model.graph.initializer
            if t.name not in known
        )
        model = version_converter.convert_version(model, 17)
    # Before version 4 of the format an initializer was an input as well, and one that is none has no shape.
    model.ir_version = max(model.ir_version, 8)
    graph = model.graph
    weights = about["weights"]
    kept = [t for t in graph.initializer if t.name not in weights]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = [n for n in graph.node if not (n.op_type == "Constant" and n.output[0] in weights)]
    del graph.node[:]
    graph.node.extend(nodes)
    inputs = [v for v in graph.input if v.name in about["inputs"]]
    for value in inputs:
        elem_type = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, elem_type, about["inputs"][value.name]))
    inputs = [onnx.ValueInfoProto.FromString(v.SerializeToString()) for v in inputs]
    del graph.input[:]
    graph.input.extend(inputs)
    graph.input.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in weights.items())
    del graph.value_info[:]
    made = {name for node in graph.node for name in node.output}
    graph.value_info.extend(
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in about["values"].items() if n in made
    )
    del graph.output[:]
    graph.initializer.append(helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]))
    for o in about["outputs"]:
        graph.node.append(helper.make_node("Mul", [o, o], [f"{o}_square"]))
        graph.node.append(helper.make_node("Mul", [f"{o}_square", "half"], [f"{o}_half"]))
        graph.node.append(helper.make_node("Add", [o, f"{o}_half"], [f"{o}_z"]))
        graph.output.append(helper.make_tensor_value_info(f"{o}_z", TensorProto.FLOAT, about["values"].get(o)))
    outputs = [f"{o}_z" for o in about["outputs"]]
    names = list(weights)
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    first = reverse(model, inputs=names, outputs=outputs, layout="onnx")
    adjoints = [f"adj_{name}" for name in names]
    onnx.save(first, f"{folder}/first.onnx")
    try:
        second = forward(first, inputs=names, outputs=adjoints, layout="onnx")
    except UnsupportedOperator as refusal:
        tangent = forward(model, inputs=names, outputs=outputs, layout="onnx")
        second = forward(tangent, inputs=names, outputs=[f"fwd_{o}" for o in outputs], layout="onnx")
        print(refusal)
    onnx.save(second, f"{folder}/second.onnx")


main()
