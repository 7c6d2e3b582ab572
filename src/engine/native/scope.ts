/** What is made in native memory for a time: blocks and handles with one owner, and the places C functions write to. */
import koffi from 'koffi';
import { Resources } from '../../base/resources.ts';
import { allocateBlock, allocateZeros, type Address, type Block } from './memory.ts';

/** Native handles and memory that are released together, last first. */
export class Scope extends Resources {
  block(bytes: number): Block {
    return this.use(allocateBlock(bytes));
  }

  zeros(bytes: number): Block {
    return this.use(allocateZeros(bytes));
  }
}

/** A place that C functions write a handle to. */
export interface Slot {
  readonly address: Address;
  /** What was written last. */
  read(): Address;
}

export function slotIn(scope: Scope): Slot {
  const { address } = scope.block(64);
  const view = new BigUint64Array(koffi.view(address, 8));
  return { address, read: () => Number(view[0]) as Address };
}
