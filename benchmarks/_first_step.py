"""`_first_step.py PROGRAM ARGUMENTS`: run a Python program, and end as its first optimizer step is done."""

import os
import runpy
import sys

from torch.optim.optimizer import register_optimizer_step_post_hook

# At once, so that nothing which would come after that step is in the time of this process.
register_optimizer_step_post_hook(lambda *_: os._exit(0))
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
sys.exit("the program ended without an optimizer step")
