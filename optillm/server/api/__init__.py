"""The endpoints: what they read and what they write."""
