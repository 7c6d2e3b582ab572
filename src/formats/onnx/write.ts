/** The bytes of an ONNX model. Field numbers are those of onnx.proto. */
import protobuf from 'protobufjs/minimal.js';
import {
  type Attribute,
  ELEMENTS,
  type Initializer,
  type OnnxModel,
  type OnnxNode,
  type ValueInfo,
} from './model.ts';

type Writer = protobuf.Writer;

/** The version of the format that goes with each set of operators here. Source: the table in onnx/helper.py's documentation. */
const IR_VERSION = 7;

/** Kinds of protobuf fields. */
const [VARINT, BYTES, FIXED32] = [0, 2, 5];
const tag = (field: number, kind: number): number => (field << 3) | kind;

/**
 * The file of a model in pieces, in their order; the numbers of its tensors are the callers' own memory. It has less than
 * 2 GiB, as the format itself demands.
 */
export function encodeOnnx({ graph, opset, producer, about, metadata }: OnnxModel): readonly Uint8Array[] {
  const inner = [
    encoded((writer) => {
      for (const node of graph.nodes)
        message(writer, 1, () => {
          encodeNode(writer, node);
        });
      text(writer, 2, graph.name);
    }),
    ...graph.initializers.flatMap(encodeTensor),
    encoded((writer) => {
      for (const value of graph.inputs)
        message(writer, 11, () => {
          encodeValue(writer, value);
        });
      for (const value of graph.outputs)
        message(writer, 12, () => {
          encodeValue(writer, value);
        });
    }),
  ];
  const head = encoded((writer) => {
    integer(writer, 1, IR_VERSION);
    text(writer, 2, producer.name);
    text(writer, 3, producer.version);
    text(writer, 6, about);
    start(writer, 7, lengthOf(inner));
  });
  const rest = encoded((writer) => {
    message(writer, 8, () => {
      integer(writer, 2, opset);
    });
    for (const [key, value] of Object.entries(metadata))
      message(writer, 14, () => {
        text(writer, 1, key);
        text(writer, 2, value);
      });
  });
  return [head, ...inner, rest];
}

function encoded(fill: (writer: Writer) => void): Uint8Array {
  const writer = protobuf.Writer.create();
  fill(writer);
  return writer.finish();
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function encodeNode(writer: Writer, { op, name, inputs, outputs, attributes = {} }: OnnxNode): void {
  for (const one of inputs) text(writer, 1, one);
  for (const one of outputs) text(writer, 2, one);
  text(writer, 3, name);
  text(writer, 4, op);
  for (const [key, value] of Object.entries(attributes))
    message(writer, 5, () => {
      encodeAttribute(writer, key, value);
    });
}

function encodeAttribute(writer: Writer, name: string, value: Attribute): void {
  text(writer, 1, name);
  if (typeof value === 'number') {
    integer(writer, 3, value);
    integer(writer, 20, 2);
  } else if (typeof value === 'string') {
    text(writer, 4, value);
    integer(writer, 20, 3);
  } else if ('float' in value) {
    writer.uint32(tag(2, FIXED32)).float(value.float);
    integer(writer, 20, 1);
  } else {
    for (const one of value) integer(writer, 8, one);
    integer(writer, 20, 7);
  }
}

/** A tensor as a field of the graph: what is said of it, then its numbers. */
function encodeTensor({ name, type, shape, data }: Initializer): readonly Uint8Array[] {
  // Raw numbers are little-endian, as those of every processor that Node.js runs on here.
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const said = encoded((writer) => {
    for (const length of shape) integer(writer, 1, length);
    integer(writer, 2, ELEMENTS[type]);
    text(writer, 8, name);
    start(writer, 9, raw.byteLength);
  });
  const head = encoded((writer) => {
    start(writer, 5, said.byteLength + raw.byteLength);
  });
  return [head, said, raw];
}

function encodeValue(writer: Writer, { name, type, shape, about }: ValueInfo): void {
  text(writer, 1, name);
  message(writer, 2, () => {
    message(writer, 1, () => {
      integer(writer, 1, ELEMENTS[type]);
      message(writer, 2, () => {
        for (const length of shape)
          message(writer, 1, () => {
            if (typeof length === 'number') integer(writer, 1, length);
            else text(writer, 2, length);
          });
      });
    });
  });
  if (about !== undefined) text(writer, 3, about);
}

function integer(writer: Writer, field: number, value: number): void {
  writer.uint32(tag(field, VARINT)).int64(value);
}

function text(writer: Writer, field: number, value: string): void {
  writer.uint32(tag(field, BYTES)).string(value);
}

/** What comes before so many bytes of a field that are written elsewhere. */
function start(writer: Writer, field: number, bytes: number): void {
  writer.uint32(tag(field, BYTES)).uint32(bytes);
}

function message(writer: Writer, field: number, fill: () => void): void {
  writer.uint32(tag(field, BYTES)).fork();
  fill();
  writer.ldelim();
}
