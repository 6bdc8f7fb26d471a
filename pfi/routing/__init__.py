"""What leaves, where and why: the legal table, its exceptions, the sender's orders."""
