"""Programs in replies: found, compared and tried."""
