import type { AttributeProto, NodeProto } from '../onnx/proto.ts';

/** A node of the file. */
export interface OnnxNode {
  /** Unique in the model, also where the file gives no name or one twice. */
  readonly name: string;
  readonly op: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  /** The opset of its domain that the file was written for. */
  readonly version: number;
  /** Empty where an optional one is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeProto>;
  /** What graphs within it (the branches of an If) use of the graph around them. */
  readonly captured: readonly string[];
  readonly proto: NodeProto;
}
