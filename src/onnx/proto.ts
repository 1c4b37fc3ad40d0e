/** ONNX files as protobuf: the parts of the schema (onnx.proto, IR version 8) that we write and read. */
import protobuf from 'protobufjs/light.js';

export interface TensorProto {
  name: string;
  dims: number[];
  dataType: number;
  rawData: Uint8Array;
}

export interface AttributeProto {
  name: string;
  type: number;
  f?: number;
  i?: number;
  s?: Uint8Array;
  floats?: number[];
  ints?: number[];
}

export interface NodeProto {
  name: string;
  opType: string;
  domain: string;
  input: string[];
  output: string[];
  attribute: AttributeProto[];
}

interface DimensionProto {
  dimValue?: number;
  dimParam?: string;
}

export interface ValueInfoProto {
  name: string;
  /** Null where the file does not say. */
  type: { tensorType: { elemType: number; shape: { dim: DimensionProto[] } | null } | null } | null;
}

export interface ModelProto {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  docString?: string;
  opsetImport: { domain: string; version: number }[];
  metadataProps: { key: string; value: string }[];
  graph: {
    name: string;
    node: NodeProto[];
    initializer: TensorProto[];
    input: ValueInfoProto[];
    output: ValueInfoProto[];
  };
}

/** AttributeProto.AttributeType */
export const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, floats: 6, ints: 7 } as const;

const one = (type: string, id: number) => ({ type, id });
/** A field that is written even where it is 0, as in onnx.proto: readers check whether an attribute has a number. */
const present = (type: string, id: number) => ({
  type,
  id,
  options: { features: { field_presence: 'EXPLICIT' } },
});
const many = (type: string, id: number) => ({ rule: 'repeated', type, id });

const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: one('int64', 1),
        producerName: one('string', 2),
        producerVersion: one('string', 3),
        docString: one('string', 6),
        graph: one('GraphProto', 7),
        opsetImport: many('OperatorSetIdProto', 8),
        metadataProps: many('StringStringEntryProto', 14),
      },
    },
    OperatorSetIdProto: { fields: { domain: one('string', 1), version: one('int64', 2) } },
    StringStringEntryProto: { fields: { key: one('string', 1), value: one('string', 2) } },
    GraphProto: {
      fields: {
        node: many('NodeProto', 1),
        name: one('string', 2),
        initializer: many('TensorProto', 5),
        input: many('ValueInfoProto', 11),
        output: many('ValueInfoProto', 12),
      },
    },
    NodeProto: {
      fields: {
        input: many('string', 1),
        output: many('string', 2),
        name: one('string', 3),
        opType: one('string', 4),
        attribute: many('AttributeProto', 5),
        domain: one('string', 7),
      },
    },
    AttributeProto: {
      fields: {
        name: one('string', 1),
        f: present('float', 2),
        i: present('int64', 3),
        s: one('bytes', 4),
        floats: many('float', 7),
        ints: many('int64', 8),
        type: one('int32', 20),
      },
    },
    TensorProto: {
      fields: {
        dims: many('int64', 1),
        dataType: one('int32', 2),
        name: one('string', 8),
        rawData: one('bytes', 9),
      },
    },
    ValueInfoProto: { fields: { name: one('string', 1), type: one('TypeProto', 2) } },
    TypeProto: { fields: { tensorType: one('TensorTypeProto', 1) } },
    TensorTypeProto: { fields: { elemType: one('int32', 1), shape: one('TensorShapeProto', 2) } },
    TensorShapeProto: { fields: { dim: many('DimensionProto', 1) } },
    DimensionProto: { fields: { dimValue: one('int64', 1), dimParam: one('string', 2) } },
  },
});

const Model = root.lookupType('ModelProto');

export function encodeModel(model: ModelProto): Uint8Array {
  return Model.encode(model).finish();
}

/** Throws where the bytes are no ONNX model. */
export function decodeModel(bytes: Uint8Array): ModelProto {
  const model = Model.toObject(decode(bytes), { longs: Number, arrays: true, defaults: true, objects: true });
  if (!isModel(model)) throw new Error('read: expected an ONNX model with a graph, got other bytes');
  return model;
}

function decode(bytes: Uint8Array): protobuf.Message {
  try {
    return Model.decode(bytes);
  } catch (cause) {
    throw new Error('read: expected an ONNX model, got other bytes or a part of one', { cause });
  }
}

/** Checks only that the graph is there: protobufjs has checked the type of every field. */
function isModel(model: object): model is ModelProto {
  return 'graph' in model && typeof model.graph === 'object' && model.graph !== null && 'node' in model.graph;
}
