/**
 * The binary interfaces of MPI libraries: what handles and constants are in each. MPI 5 standardised one (MPI 5.0, chapter 20);
 * MPICH and its relatives have numbers of their own, Open MPI has addresses of variables.
 */
import type { Address } from '../../native/memory.ts';

export type Abi = 'standard' | 'mpich' | 'openmpi';

/** Everything of an interface that is used here. */
export interface Constants {
  readonly world: number;
  readonly float: number;
  readonly sum: number;
  /** As an unsigned address. */
  readonly inPlace: bigint;
  /** `MPI_THREAD_FUNNELED`: one thread calls. */
  readonly funneled: number;
}

/** How MPI libraries are called, and whose interface each has. */
export const LIBRARIES: Readonly<Record<Abi, readonly string[]>> = {
  standard: process.platform === 'darwin' ? ['libmpi_abi.1.dylib'] : ['libmpi_abi.so.1'],
  mpich:
    process.platform === 'darwin'
      ? ['libmpi.12.dylib', 'libmpich.12.dylib']
      : ['libmpich.so.12', 'libmpi.so.12'],
  openmpi: process.platform === 'darwin' ? ['libmpi.40.dylib'] : ['libmpi.so.40'],
};

/** The constants of an interface; `symbol` gives the address of a variable of the library. */
export function constantsOf(abi: Abi, symbol: (name: string) => Address): Constants {
  switch (abi) {
    case 'standard':
      return { world: 0x101, float: 0x210, sum: 0x21, inPlace: 1n, funneled: 1024 };
    case 'mpich':
      return {
        ...{ world: 0x44000000, float: 0x4c00040a, sum: 0x58000003 },
        ...{ inPlace: 2n ** 64n - 1n, funneled: 1 },
      };
    case 'openmpi':
      return {
        world: symbol('ompi_mpi_comm_world'),
        float: symbol('ompi_mpi_float'),
        sum: symbol('ompi_mpi_op_sum'),
        ...{ inPlace: 1n, funneled: 1 },
      };
  }
}
