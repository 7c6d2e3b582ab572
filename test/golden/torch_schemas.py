"""What PyTorch says of the operators that are named on standard input, one `name overload` a line, as JSON.

    python3 test/golden/torch_schemas.py < operators

For each: the types of its arguments, how many results it has, and whether processors and NVIDIA GPUs have a kernel for it, one of
their own or one that is composed of other operators. That of a GPU is known without one.
"""
import json
import sys

import torch

COMPOSED = ("CompositeImplicitAutograd", "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")


def has(name: str, key: str) -> bool:
    kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    return any(kernel(name, one) for one in (key, *COMPOSED))


found = []
for line in sys.stdin.read().splitlines():
    name, _, overload = line.partition(" ")
    schema = torch._C._get_schema(name, overload)
    full = f"{name}.{overload}" if overload else name
    found.append(
        {
            "takes": [str(argument.type) for argument in schema.arguments],
            "gives": len(schema.returns),
            "cpu": has(full, "CPU"),
            "cuda": has(full, "CUDA"),
        }
    )
print(json.dumps({"cuda": torch.version.cuda is not None, "operators": found}))
