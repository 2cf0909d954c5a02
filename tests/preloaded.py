"""What the servers that tests start have in common: imported once, in the process that forks them.

Not the metrics, nor what imports them: their library looks when it is imported whether several workers count together.
"""

import optillm.cli
import optillm.commands.serve
import optillm.engine.engine
import optillm.observe.access
import optillm.server.access.auth
import optillm.server.access.budgets
import optillm.server.access.cors
import optillm.server.access.guard
import optillm.server.api.views
import optillm.server.http.loop
import optillm.server.http.serve
import optillm.server.http.threads  # noqa: F401
from optillm.techniques import discovered

discovered()
