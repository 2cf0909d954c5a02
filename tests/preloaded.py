"""What the servers that tests start have in common: imported once, in the process that forks them.

Not the metrics, nor what imports them: their library looks when it is imported whether several workers count together.
"""

import optillm.cli
import optillm.commands.serve
import optillm.engine.engine
import optillm.observe.access
import optillm.server.accounts
import optillm.server.api
import optillm.server.cors
import optillm.server.gate
import optillm.server.serve  # noqa: F401
from optillm.techniques import discovered

discovered()
