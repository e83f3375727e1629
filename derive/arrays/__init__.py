"""Index form as whole arrays: what readers read and what code computes."""
