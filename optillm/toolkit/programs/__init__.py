"""Programs in replies: find, compare and try them."""
