/** ONNX files as protobuf: the schema of onnx.proto (IR version 13), without what only training files have. */
import protobuf from 'protobufjs/light.js';
import { messageOf } from '../errors.ts';

export interface KeyValue {
  key: string;
  value: string;
}

/**
 * A tensor. Its numbers are in `rawData`, in one of the lists for its type, or in another file. A list of numbers is kept
 * as the bytes in which a file packs it, piece by piece: as objects, a hundred megabytes of weights would take a gigabyte.
 */
export interface TensorProto {
  name: string;
  dims: number[];
  dataType: number;
  rawData: Uint8Array;
  floatData?: Uint8Array[];
  int32Data?: Uint8Array[];
  int64Data?: Uint8Array[];
  doubleData?: Uint8Array[];
  uint64Data?: Uint8Array[];
  stringData?: Uint8Array[];
  externalData?: KeyValue[];
  /** 1 where the numbers are in another file. */
  dataLocation?: number;
  docString?: string;
  metadataProps?: KeyValue[];
}

export interface SparseTensorProto {
  values: TensorProto | null;
  indices: TensorProto | null;
  dims: number[];
}

export interface AttributeProto {
  name: string;
  type: number;
  /** In a function: the name of the function's attribute whose value this one has. */
  refAttrName?: string;
  f?: number;
  i?: number;
  s?: Uint8Array;
  t?: TensorProto | null;
  g?: GraphProto | null;
  sparseTensor?: SparseTensorProto | null;
  tp?: TypeProto | null;
  floats?: number[];
  ints?: number[];
  strings?: Uint8Array[];
  tensors?: TensorProto[];
  graphs?: GraphProto[];
  sparseTensors?: SparseTensorProto[];
  typeProtos?: TypeProto[];
  docString?: string;
}

export interface NodeProto {
  name: string;
  opType: string;
  domain: string;
  input: string[];
  output: string[];
  attribute: AttributeProto[];
  overload?: string;
  docString?: string;
  metadataProps?: KeyValue[];
}

/** A number or a name; neither where the dimension is unknown. */
export interface DimensionProto {
  dimValue?: number;
  dimParam?: string;
  denotation?: string;
}

export interface TensorTypeProto {
  elemType: number;
  shape: { dim: DimensionProto[] } | null;
}

/** The type of a value. It is a tensor, or one of the other kinds, which only verbatim nodes may have. */
export interface TypeProto {
  tensorType: TensorTypeProto | null;
  sequenceType?: { elemType: TypeProto | null } | null;
  mapType?: { keyType: number; valueType: TypeProto | null } | null;
  sparseTensorType?: TensorTypeProto | null;
  optionalType?: { elemType: TypeProto | null } | null;
  denotation?: string;
}

export interface ValueInfoProto {
  name: string;
  /** Null where the file does not say. */
  type: TypeProto | null;
  docString?: string;
  metadataProps?: KeyValue[];
}

export interface GraphProto {
  name: string;
  node: NodeProto[];
  initializer: TensorProto[];
  sparseInitializer?: SparseTensorProto[];
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  valueInfo?: ValueInfoProto[];
  quantizationAnnotation?: { tensorName: string; quantParameterTensorNames: KeyValue[] }[];
  docString?: string;
  metadataProps?: KeyValue[];
}

export interface OperatorSet {
  domain: string;
  version: number;
}

/** An operator that the file itself defines by nodes. */
export interface FunctionProto {
  name: string;
  domain: string;
  overload?: string;
  input: string[];
  output: string[];
  /** The attributes without a default value, and those with one. */
  attribute: string[];
  attributeProto: AttributeProto[];
  node: NodeProto[];
  opsetImport: OperatorSet[];
  valueInfo?: ValueInfoProto[];
  docString?: string;
  metadataProps?: KeyValue[];
}

export interface ModelProto {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  domain?: string;
  modelVersion?: number;
  docString?: string;
  opsetImport: OperatorSet[];
  metadataProps: KeyValue[];
  graph: GraphProto;
  functions?: FunctionProto[];
}

/** AttributeProto.AttributeType */
export const ATTRIBUTE_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  'sparse tensor': 11,
  'sparse tensors': 12,
  type: 13,
  types: 14,
} as const;

export const intAttribute = (name: string, i: number): AttributeProto => ({
  name,
  type: ATTRIBUTE_TYPES.int,
  i,
});

const one = (type: string, id: number) => ({ type, id });
/** A field that is written even where it is 0, as in onnx.proto: readers check whether an attribute has a number. */
const present = (type: string, id: number) => ({
  type,
  id,
  options: { features: { field_presence: 'EXPLICIT' } },
});
const many = (type: string, id: number) => ({ rule: 'repeated', type, id });

/** A list of numbers that a file packs. The pieces have the form of bytes, and are read as such. */
const packed = (id: number) => many('bytes', id);

const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: one('int64', 1),
        producerName: one('string', 2),
        producerVersion: one('string', 3),
        domain: one('string', 4),
        modelVersion: one('int64', 5),
        docString: one('string', 6),
        graph: one('GraphProto', 7),
        opsetImport: many('OperatorSetIdProto', 8),
        metadataProps: many('StringStringEntryProto', 14),
        functions: many('FunctionProto', 25),
      },
    },
    OperatorSetIdProto: { fields: { domain: one('string', 1), version: one('int64', 2) } },
    StringStringEntryProto: { fields: { key: one('string', 1), value: one('string', 2) } },
    FunctionProto: {
      fields: {
        name: one('string', 1),
        input: many('string', 4),
        output: many('string', 5),
        attribute: many('string', 6),
        node: many('NodeProto', 7),
        docString: one('string', 8),
        opsetImport: many('OperatorSetIdProto', 9),
        domain: one('string', 10),
        attributeProto: many('AttributeProto', 11),
        valueInfo: many('ValueInfoProto', 12),
        overload: one('string', 13),
        metadataProps: many('StringStringEntryProto', 14),
      },
    },
    GraphProto: {
      fields: {
        node: many('NodeProto', 1),
        name: one('string', 2),
        initializer: many('TensorProto', 5),
        docString: one('string', 10),
        input: many('ValueInfoProto', 11),
        output: many('ValueInfoProto', 12),
        valueInfo: many('ValueInfoProto', 13),
        quantizationAnnotation: many('TensorAnnotation', 14),
        sparseInitializer: many('SparseTensorProto', 15),
        metadataProps: many('StringStringEntryProto', 16),
      },
    },
    TensorAnnotation: {
      fields: {
        tensorName: one('string', 1),
        quantParameterTensorNames: many('StringStringEntryProto', 2),
      },
    },
    NodeProto: {
      fields: {
        input: many('string', 1),
        output: many('string', 2),
        name: one('string', 3),
        opType: one('string', 4),
        attribute: many('AttributeProto', 5),
        docString: one('string', 6),
        domain: one('string', 7),
        overload: one('string', 8),
        metadataProps: many('StringStringEntryProto', 9),
      },
    },
    AttributeProto: {
      fields: {
        name: one('string', 1),
        f: present('float', 2),
        i: present('int64', 3),
        s: present('bytes', 4),
        t: one('TensorProto', 5),
        g: one('GraphProto', 6),
        floats: many('float', 7),
        ints: many('int64', 8),
        strings: many('bytes', 9),
        tensors: many('TensorProto', 10),
        graphs: many('GraphProto', 11),
        docString: one('string', 13),
        tp: one('TypeProto', 14),
        typeProtos: many('TypeProto', 15),
        type: one('int32', 20),
        refAttrName: one('string', 21),
        sparseTensor: one('SparseTensorProto', 22),
        sparseTensors: many('SparseTensorProto', 23),
      },
    },
    TensorProto: {
      fields: {
        dims: many('int64', 1),
        dataType: one('int32', 2),
        floatData: packed(4),
        int32Data: packed(5),
        stringData: many('bytes', 6),
        int64Data: packed(7),
        name: one('string', 8),
        rawData: one('bytes', 9),
        doubleData: packed(10),
        uint64Data: packed(11),
        docString: one('string', 12),
        externalData: many('StringStringEntryProto', 13),
        dataLocation: one('int32', 14),
        metadataProps: many('StringStringEntryProto', 16),
      },
    },
    SparseTensorProto: {
      fields: { values: one('TensorProto', 1), indices: one('TensorProto', 2), dims: many('int64', 3) },
    },
    ValueInfoProto: {
      fields: {
        name: one('string', 1),
        type: one('TypeProto', 2),
        docString: one('string', 3),
        metadataProps: many('StringStringEntryProto', 4),
      },
    },
    TypeProto: {
      fields: {
        tensorType: one('TensorTypeProto', 1),
        sequenceType: one('ElementTypeProto', 4),
        mapType: one('MapTypeProto', 5),
        denotation: one('string', 6),
        sparseTensorType: one('TensorTypeProto', 8),
        optionalType: one('ElementTypeProto', 9),
      },
    },
    TensorTypeProto: { fields: { elemType: one('int32', 1), shape: one('TensorShapeProto', 2) } },
    ElementTypeProto: { fields: { elemType: one('TypeProto', 1) } },
    MapTypeProto: { fields: { keyType: one('int32', 1), valueType: one('TypeProto', 2) } },
    TensorShapeProto: { fields: { dim: many('DimensionProto', 1) } },
    DimensionProto: {
      fields: { dimValue: one('int64', 1), dimParam: one('string', 2), denotation: one('string', 3) },
    },
  },
});

const Model = root.lookupType('ModelProto');

export function encodeModel(model: ModelProto): Uint8Array {
  return Model.encode(model).finish();
}

/**
 * The bytes of a model that was decoded, and perhaps changed since. Decoding fills in what a file leaves out, and readers
 * must not find that: an int attribute with a float, a tensor with numbers in a list and raw data of no bytes.
 */
export function encodeAgain(model: ModelProto): Uint8Array {
  return Model.encode(said(model)).finish();
}

/** The fields that say something. The one value of an attribute stays, which may be 0 or an empty text. */
function said(message: object): Record<string, unknown> {
  const type: unknown = Reflect.get(message, 'type');
  const value = VALUES.find(([name]) => ATTRIBUTE_TYPES[name] === type)?.[1];
  const kept = Object.entries(message).flatMap(([key, field]: [string, unknown]): [string, unknown][] => {
    if (key === value) return [[key, field]];
    if (field instanceof Uint8Array) return field.length > 0 ? [[key, field]] : [];
    if (Array.isArray(field)) return field.length > 0 ? [[key, field.map(saidInList)]] : [];
    if (typeof field === 'object' && field !== null) return [[key, said(field)]];
    return field === 0 || field === '' || field === null || field === undefined ? [] : [[key, field]];
  });
  return Object.fromEntries(kept);
}

const VALUES = [
  ['float', 'f'],
  ['int', 'i'],
  ['string', 's'],
] as const;

/** An entry of a list: its numbers and texts say something whatever they are. */
function saidInList(entry: unknown): unknown {
  return typeof entry === 'object' && entry !== null && !(entry instanceof Uint8Array) ? said(entry) : entry;
}

/** Throws where the bytes are no ONNX model. `call` begins the message. Nothing of it is a view of `bytes`. */
export function decodeModel(bytes: Uint8Array, call = 'read'): ModelProto {
  const model = Model.toObject(decode(bytes, call), {
    longs: Number,
    arrays: true,
    defaults: true,
    objects: true,
  });
  if (!isModel(model)) throw new Error(`${call}: expected an ONNX model with a graph, got other bytes`);
  for (const { node } of [model.graph, ...(model.functions ?? [])]) node.forEach(withoutDefaults);
  return model;
}

/** Leaves an attribute the one value that it has: written again, a 0 beside it would be another. */
function withoutDefaults({ attribute }: NodeProto): void {
  for (const each of attribute) {
    const { float, int, string } = ATTRIBUTE_TYPES;
    // The first versions of ONNX give no type: there a value is what is not 0.
    if (each.type === 0 ? !each.f : each.type !== float) delete each.f;
    if (each.type === 0 ? !each.i : each.type !== int) delete each.i;
    if (each.type === 0 ? !each.s?.length : each.type !== string) delete each.s;
    for (const graph of [each.g, ...(each.graphs ?? [])]) graph?.node.forEach(withoutDefaults);
  }
}

/**
 * Copies the numbers of every tensor. A model that lives as long as a run would otherwise keep the whole file beside the
 * copies that must be made of what does not lie aligned in it.
 */
class OwningReader extends protobuf.Reader {
  override bytes(): Uint8Array {
    return new Uint8Array(super.bytes());
  }
}

function decode(bytes: Uint8Array, call: string): protobuf.Message {
  try {
    return Model.decode(new OwningReader(bytes));
  } catch (cause) {
    if (messageOf(cause) === 'max depth exceeded') {
      throw new Error(`${call}: expected graphs nested at most ${DEEPEST} messages deep, got more`, {
        cause,
      });
    }
    throw new Error(`${call}: expected an ONNX model, got other bytes or a part of one`, { cause });
  }
}

/** protobufjs' own limit. */
const DEEPEST = 100;

/** Checks only that the graph is there: protobufjs has checked the type of every field. */
function isModel(model: object): model is ModelProto {
  return 'graph' in model && typeof model.graph === 'object' && model.graph !== null && 'node' in model.graph;
}
