"""Who is asking and what they may do: callers, tokens, rates, shares, and the audit log."""
