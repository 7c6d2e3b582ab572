/** A network of this program as nodes of ONNX: the same layers, with its weights as initializers under their own names. */
import { INPUT, type Network, type Node } from '../../engine/core/network.ts';
import { type FoldedConv, type FoldedNode, foldedWeights, foldNetwork } from '../../engine/core/fold.ts';
import type { Initializer, OnnxNode } from '../../formats/onnx/model.ts';

/** Tensors by name. */
export type TensorOf = (name: string) => { readonly shape: readonly number[]; readonly data: Float32Array };

/** Nodes and the tensors that they take. */
export interface OnnxPart {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly Initializer[];
}

/**
 * The nodes of a network that reads its input from `input`; values keep their names. `fold`: batch norms are folded into
 * the convolutions before them, so that the weights are others.
 */
export function networkPart(network: Network, tensorOf: TensorOf, input: string, fold: boolean): OnnxPart {
  const builder = new Builder(tensorOf, input);
  for (const node of fold ? foldNetwork(network, []) : network.nodes) builder.add(node);
  return builder;
}

class Builder implements OnnxPart {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: Initializer[] = [];
  readonly #tensorOf: TensorOf;
  readonly #input: string;

  constructor(tensorOf: TensorOf, input: string) {
    this.#tensorOf = tensorOf;
    this.#input = input;
  }

  add(node: FoldedNode): void {
    switch (node.kind) {
      case 'conv':
        this.#op('Conv', node.name, [node.input, this.#weights(`${node.name}.weight`)], window(node));
        return;
      case 'foldedConv':
        this.#folded(node);
        return;
      case 'batchNorm': {
        const before = node.relu ? `${node.name}.norm` : node.name;
        const tensors = ['weight', 'bias', 'running_mean', 'running_var'].map((kind) =>
          this.#weights(`${node.name}.${kind}`),
        );
        this.#op('BatchNormalization', before, [node.input, ...tensors], {
          epsilon: { float: node.epsilon },
        });
        if (node.relu) this.#op('Relu', node.name, [before]);
        return;
      }
      case 'addRelu':
        this.#op('Add', `${node.name}.sum`, node.inputs);
        this.#op('Relu', node.name, [`${node.name}.sum`]);
        return;
      case 'relu':
        this.#op('Relu', node.name, [node.input]);
        return;
      case 'maxPool':
        this.#op('MaxPool', node.name, [node.input], window(node));
        return;
      case 'globalAveragePool':
        this.#op('GlobalAveragePool', `${node.name}.map`, [node.input]);
        this.#op('Flatten', node.name, [`${node.name}.map`], { axis: 1 });
        return;
      case 'linear': {
        const tensors = ['weight', 'bias'].map((kind) => this.#weights(`${node.name}.${kind}`));
        this.#op('Gemm', node.name, [node.input, ...tensors], { transB: 1 });
        return;
      }
    }
  }

  #folded(node: FoldedConv): void {
    const { conv, norm, addend, relu, name } = node;
    const value = (tensor: string): Float32Array => this.#tensorOf(tensor).data;
    const { weight, bias } = foldedWeights(node, { value, statistic: value });
    const { shape } = this.#tensorOf(`${conv.name}.weight`);
    this.#tensor(`${conv.name}.weight`, shape, weight);
    this.#tensor(`${norm.name}.folded`, [conv.filters], bias);
    const steps = [
      (out: string) => {
        this.#op('Conv', out, [node.input, `${conv.name}.weight`, `${norm.name}.folded`], window(conv));
      },
      ...(addend === null
        ? []
        : [
            (out: string, before: string) => {
              this.#op('Add', out, [before, addend]);
            },
          ]),
      ...(relu
        ? [
            (out: string, before: string) => {
              this.#op('Relu', out, [before]);
            },
          ]
        : []),
    ];
    // The last of them makes the value that others read.
    let before = '';
    for (const [i, step] of steps.entries()) {
      const out = i === steps.length - 1 ? name : `${name}.step${i}`;
      step(out, before);
      before = out;
    }
  }

  #weights(name: string): string {
    const { shape, data } = this.#tensorOf(name);
    this.#tensor(name, shape, data);
    return name;
  }

  #tensor(name: string, shape: readonly number[], data: Float32Array): void {
    this.initializers.push({ name, type: 'float', shape, data });
  }

  #op(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: NonNullable<OnnxNode['attributes']> = {},
  ): void {
    const read = inputs.map((one) => (one === INPUT ? this.#input : one));
    this.nodes.push({ op, name, inputs: read, outputs: [name], attributes });
  }
}

function window({
  kernel,
  stride,
  padding,
}: Extract<Node, { kind: 'conv' | 'maxPool' }>): NonNullable<OnnxNode['attributes']> {
  return {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
  };
}
