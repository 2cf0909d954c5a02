"""One upstream call: cached, retried, hedged, adapted, paid."""
