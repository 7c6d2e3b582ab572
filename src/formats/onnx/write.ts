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

/** The file of a model. It has less than 2 GiB, as the format itself demands. */
export function encodeOnnx({ graph, opset, producer, about, metadata }: OnnxModel): Uint8Array {
  const writer = protobuf.Writer.create();
  integer(writer, 1, IR_VERSION);
  text(writer, 2, producer.name);
  text(writer, 3, producer.version);
  text(writer, 6, about);
  message(writer, 7, () => {
    for (const node of graph.nodes)
      message(writer, 1, () => {
        encodeNode(writer, node);
      });
    text(writer, 2, graph.name);
    for (const tensor of graph.initializers)
      message(writer, 5, () => {
        encodeTensor(writer, tensor);
      });
    for (const value of graph.inputs)
      message(writer, 11, () => {
        encodeValue(writer, value);
      });
    for (const value of graph.outputs)
      message(writer, 12, () => {
        encodeValue(writer, value);
      });
  });
  message(writer, 8, () => {
    integer(writer, 2, opset);
  });
  for (const [key, value] of Object.entries(metadata))
    message(writer, 14, () => {
      text(writer, 1, key);
      text(writer, 2, value);
    });
  return writer.finish();
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

function encodeTensor(writer: Writer, { name, type, shape, data }: Initializer): void {
  for (const length of shape) integer(writer, 1, length);
  integer(writer, 2, ELEMENTS[type]);
  text(writer, 8, name);
  // Raw numbers are little-endian, as those of every processor that Node.js runs on here.
  writer.uint32(tag(9, BYTES)).bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
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

function message(writer: Writer, field: number, fill: () => void): void {
  writer.uint32(tag(field, BYTES)).fork();
  fill();
  writer.ldelim();
}
